"""The caution of a report whose seeds grew after it had been looked at."""

from lsbench.analysis.results import SweepResults


def caution(results: SweepResults) -> str:
    """What the looks do to p; empty for a single look."""
    if len(results.looks) < 2:
        return ""
    if results.protocol:
        return (
            "The tables and figures of the runs are those of a fixed number of seeds: their p, intervals and "
            "verdicts do not account for the looks, as those of the decision do."
        )
    *first, last = map(str, results.looks)
    return (
        f"Seeds were added after a report: this sweep was looked at with {', '.join(first)} and then "
        f"{last} seeds. Its p and verdicts do not account for that, so that false verdicts are more frequent "
        "than 5 % (looking at 10 and at 20 seeds: about 8 %). lsbench decide fixes the looks beforehand and "
        "accounts for them."
    )
