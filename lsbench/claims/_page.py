"""The claims' verdicts as users read them: lines on the terminal, claims.md and claims.csv."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench import report, runs
from lsbench.claims import all_claims, measured_file
from lsbench.claims._claim import Evidence
from lsbench.claims._findings import Finding, findings
from lsbench.report.terminal import next_command
from lsbench.report.text import NOTHING, number, pipe_table, probability
from lsbench.report.verdicts import said
from lsbench.storage import write_atomically

if TYPE_CHECKING:
    import pandas as pd

READING = """\
Every claim is decided by its first comparison, which stands in the table; the sections have the others. A
verdict is *equivalent* where the difference is shown to lie within the margin (two one-sided tests); else
*supported* where it is significant and goes the way of the claim, *refuted* where it goes the other way,
and *inconclusive* where the runs cannot tell: more seeds might. With fewer than 8 seeds a verdict is
*exploratory*: it decides nothing. Differences are paired by seed, intervals are 95 % t-intervals, and p is
adjusted by Holm's method over the {tests} comparisons of this page. What is chosen is chosen on the select
split; test was opened once a run, after training. A measured cost has no p: the interval of its median
decides."""
HEADER = ("verdict", "effect", "95 % interval", "n", "p (Holm)", "margin")


def publish(results_dir: str | Path, name: str) -> int:
    """Judge the claims of sweep ``name`` from its stored runs, write its page and print a line a claim; the
    exit code: 1 where a run is not done or a claim could not be judged, else 0."""
    from lsbench.report.aggregate import runs_table, summary_table

    sweep, folder = runs.read_sweep(results_dir, name), Path(results_dir) / name
    found = {run_id: runs.read(results_dir, run_id) for run_id in sweep.runs}
    records: list[dict[str, Any]] = [record for record in found.values() if record is not None]
    table = runs_table(records)
    claims = {claim: all_claims()[claim] for claim in sweep.claims if claim in all_claims()}
    evidence = {claim: _evidence(folder, table, claim, sweep.claims[claim]) for claim in claims}
    judged = findings(claims, evidence)
    write_atomically(folder / "runs.csv", report.to_csv(table))
    write_atomically(folder / "summary.csv", report.to_csv(summary_table(table)))
    write_atomically(folder / "claims.csv", report.to_csv(_frame(judged)))
    done = sum(record["status"] == "done" for record in records)
    counted = f"{done} of {len(found)} runs done"
    write_atomically(folder / "claims.md", page(judged, sweep.command, counted, records).encode())
    print("\n".join(lines(judged)))
    for record in records:
        if record["status"] != "done":
            print(f"{record['run']}: {record['status']}: {record['error']}")
    print(f"\n{counted}\n{folder / 'claims.md'}   claims.csv, runs.csv and summary.csv beside it")
    if command := next_command(sweep.command, records, len(found)):
        print(f"next: {command}")
    failed = any(finding.verdict == "failed" for group in judged.values() for finding in group)
    return int(done < len(found) or failed)


def _evidence(folder: Path, table: "pd.DataFrame", claim: str, members: Sequence[str]) -> Evidence:
    import pandas as pd

    file = measured_file(folder, claim)
    measured = pd.read_csv(file) if file.exists() else None
    done = table[table["run"].isin(members) & (table["status"] == "done")]
    return Evidence(done, folder.parent, measured)


def lines(judged: Mapping[str, Sequence[Finding]]) -> list[str]:
    """A line a claim, for the terminal."""
    width = max(map(len, judged), default=0)
    kind = max((len(_said(group[0])) for group in judged.values()), default=0)
    return [f"{name:{width}}  {_said(group[0]):{kind}}  {_line(group[0])}" for name, group in judged.items()]


def _line(finding: Finding) -> str:
    if not finding.n:
        return finding.words
    p = probability(finding.p_holm)
    parts = [
        f"{finding.words}: {_effect(finding)} {_interval(finding)}".rstrip() + finding.unit.name,
        f"n = {finding.n}",
        *([] if p == NOTHING else [f"p {p[0]} {p[1:]}" if p[0] == "<" else f"p = {p}"]),
    ]
    return ", ".join(parts) + (f" ({finding.meaning})" if finding.meaning else "")


def page(
    judged: Mapping[str, Sequence[Finding]], command: str, counted: str, records: Sequence[runs.Record]
) -> str:
    """claims.md. ``counted`` says how many runs there are."""
    tests = sum(not math.isnan(finding.p) for group in judged.values() for finding in group)
    claims = all_claims()
    overview = [[claims[name].words, *_cells(group[0])] for name, group in judged.items()]
    blocks = [
        "# What people claim of label smoothing",
        f"`{command}`\n\n{_about(records)}{counted}.",
        pipe_table(["claim", *HEADER], overview),
        READING.format(tests=tests),
        *(_section(name, group) for name, group in judged.items()),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(name: str, group: Sequence[Finding]) -> str:
    claim = all_claims()[name]
    first = claim.words[0]
    title = (first.upper() if first.isascii() else first) + claim.words[1:]
    about = f"`{name}`. Claimed or measured by: {claim.source}. Measured here: {claim.measured}."
    rows = [[finding.words, *_cells(finding)] for finding in group]
    return f"## {title}\n\n{about}\n\n{pipe_table(['comparison', *HEADER], rows)}"


def _cells(finding: Finding) -> list[str]:
    verdict = _said(finding) + (f": {finding.meaning}" if finding.meaning else "")
    effect = _effect(finding)
    effect += finding.unit.name if effect != NOTHING else ""
    margin = number(finding.margin * finding.unit.scale, finding.unit.digits)
    return [
        verdict,
        effect,
        _interval(finding) or NOTHING,
        f"{finding.n}",
        probability(finding.p_holm),
        margin,
    ]


def _said(finding: Finding) -> str:
    return said(finding.verdict, finding.exploratory)


def _effect(finding: Finding) -> str:
    return number(finding.effect, finding.unit.digits, finding.unit.scale, sign=True)


def _interval(finding: Finding) -> str:
    ends = [
        number(end, finding.unit.digits, finding.unit.scale, sign=True) for end in (finding.low, finding.high)
    ]
    return "" if NOTHING in ends else f"[{', '.join(ends)}]"


def _about(records: Sequence[runs.Record]) -> str:
    """The data, the model and the code, where all records agree on them."""
    keys = ("data", "model", "epochs", "device", "lsbench", "torch", "git_sha")
    told = {key: {str(record[key]) for record in records} for key in keys}
    agreed = [
        f"{key} {value}" for key, values in told.items() if len(values) == 1 and (value := values.pop())
    ]
    return re.sub(r"_", r"\\_", ", ".join(agreed)) + (": " if agreed else "")


def _frame(judged: Mapping[str, Iterable[Finding]]) -> "pd.DataFrame":
    """claims.csv: a row a comparison, the deciding one of a claim first; numbers in the metric's own unit."""
    import pandas as pd

    rows = [
        {
            "claim": name,
            "words": all_claims()[name].words,
            "comparison": finding.words,
            "decides": place == 0,
            "verdict": finding.verdict,
            "exploratory": finding.exploratory,
            "meaning": finding.meaning,
            "effect": finding.effect,
            "low": finding.low,
            "high": finding.high,
            "n": finding.n,
            "p": finding.p,
            "p_holm": finding.p_holm,
            "margin": finding.margin,
        }
        for name, group in judged.items()
        for place, finding in enumerate(group)
    ]
    return pd.DataFrame(rows)
