"""From a sweep of claims to its page: the files, and what the terminal shows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench import report, runs
from lsbench.claims import _markdown, _page, all_claims, measured_file
from lsbench.claims._claim import Evidence
from lsbench.claims._findings import Finding, findings
from lsbench.claims._forest import forest
from lsbench.claims._words import family, lines
from lsbench.report import figures
from lsbench.report.terminal import next_command
from lsbench.storage import write_atomically

if TYPE_CHECKING:
    import pandas as pd

BESIDE = "claims.md, claims.csv, runs.csv, summary.csv and figures/ beside it"


def publish(results_dir: str | Path, name: str) -> int:
    """Judge the claims of sweep ``name`` from its stored runs, write its page and print a line a claim; the
    exit code: 1 where a run is not done or a claim could not be judged, else 0."""
    from lsbench.report.aggregate import runs_table, summary_table

    sweep, folder = runs.read_sweep(results_dir, name), Path(results_dir) / name
    records, missing = runs.read_all(results_dir, sweep.runs)
    table = runs_table(records)
    summary = summary_table(table)
    claims = {claim: content for claim, content in all_claims().items() if claim in sweep.claims}
    evidence = {claim: _evidence(folder, table, claim, sweep.claims[claim]) for claim in claims}
    judged = findings(claims, evidence)
    plates = [plate] if (plate := forest(judged, table)) else []
    facts: Any = {"command": sweep.command, "missing": missing, "plates": plates}
    drawn = figures.write(folder / "figures", plates, ["claims"])
    tables = {"runs.csv": table, "summary.csv": summary, "claims.csv": _frame(judged)}
    files = {file: report.to_csv(content) for file, content in tables.items()}
    files["claims.md"] = _markdown.text(judged, table, summary, **facts).encode()
    files["claims.html"] = _page.page(judged, table, summary, **facts, drawn=drawn)
    for file, content in files.items():
        write_atomically(folder / file, content)
    _print(judged, sweep, folder, records)
    failed = any(finding.verdict == "failed" for group in judged.values() for finding in group)
    return int(sum(record["status"] == "done" for record in records) < len(sweep.runs) or failed)


def _print(
    judged: Mapping[str, Sequence[Finding]], sweep: runs.Sweep, folder: Path, records: Sequence[runs.Record]
) -> None:
    print("\n".join(lines(judged)))
    print(f"p is Holm-adjusted over {family(judged)}")
    for record in records:
        if record["status"] != "done":
            print(f"{record['run']}: {record['status']}: {record['error']}")
    done = sum(record["status"] == "done" for record in records)
    print(f"\n{done} of {len(sweep.runs)} runs done\n{folder / 'claims.html'}   {BESIDE}")
    if command := next_command(sweep.command, records, len(sweep.runs)):
        print(f"next: {command}")


def _evidence(folder: Path, table: "pd.DataFrame", claim: str, members: Sequence[str]) -> Evidence:
    import pandas as pd

    file = measured_file(folder, claim)
    measured = pd.read_csv(file) if file.exists() else None
    done = table[table["run"].isin(members) & (table["status"] == "done")]
    return Evidence(done, folder.parent, measured)


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
            "p_equivalent_holm": finding.p_equivalent,
            "better": finding.better,
        }
        for name, group in judged.items()
        for place, finding in enumerate(group)
    ]
    return pd.DataFrame(rows)
