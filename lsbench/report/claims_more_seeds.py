"""What more seeds would buy the claims that the runs so far leave open."""

from collections.abc import Mapping, Sequence

from lsbench.analysis.findings import Finding
from lsbench.analysis.stats import detectable, half_width
from lsbench.analysis.verdicts import LEVEL
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number
from lsbench.report.claim_wording import deciding, title
from lsbench.report.tables import SEEDS, Table

TITLE = "What more seeds would buy"
ABOUT = (
    "For the deciding comparison of each claim that is open: half the width of its 95 % interval, and in "
    "brackets the true difference that a paired t-test would find in four sweeps of five; for n seeds and "
    "the spread seen so far, which few seeds tell roughly. The test is at 5 % divided by the number of "
    "deciding comparisons, which is the most that Holm's correction asks."
)


def table(judged: Mapping[str, Sequence[Finding]]) -> Table:
    """Header and rows, a row for each claim whose verdict is exploratory or inconclusive; no rows where
    nothing would be learnt."""
    found = {name: group[0] for name, group in judged.items() if _is_open(group[0])}
    level = LEVEL / max(deciding(judged), 1)
    counts = [n for n in SEEDS if any(finding.n < n for finding in found.values())]
    rows = [
        [
            *(title(all_claims()[name].words), f"{finding.n}"),
            _size(half_width(finding.sd, finding.n), finding) + finding.unit.name,
            *(_bought(finding, n, level) if finding.n < n else DASH for n in counts),
        ]
        for name, finding in found.items()
    ]
    return ["claim", "n", "± now", *(f"n = {n}" for n in counts)], rows


def _is_open(finding: Finding) -> bool:
    """Whether more seeds might tell; they would not where a verdict is withheld for another reason."""
    if finding.verdict == "inconclusive" and finding.meaning:
        return False
    unsettled = finding.exploratory or finding.verdict == "inconclusive"
    return unsettled and finding.sd > 0 and finding.n < SEEDS[-1]


def _bought(finding: Finding, n: int, level: float) -> str:
    found = detectable(finding.sd, n, level=level)
    return f"{_size(half_width(finding.sd, n), finding)} ({_size(found, finding)})"


def _size(value: float, finding: Finding) -> str:
    return number(value, finding.unit.digits, finding.unit.scale)
