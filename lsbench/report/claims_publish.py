"""From a sweep of claims to its page: the files, and what the terminal shows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.analysis.evidence import Evidence
from lsbench.analysis.findings import Finding, findings
from lsbench.analysis.results import SweepResults, load_results
from lsbench.claims import all_claims, measured_file
from lsbench.report import claims_markdown, claims_page
from lsbench.report.claim_wording import family, lines
from lsbench.report.figures.files import write as write_figures
from lsbench.report.figures.forest import forest
from lsbench.report.terminal import tell_rest
from lsbench.store.files import to_csv, write_atomically

if TYPE_CHECKING:
    import pandas as pd

BESIDE = "claims.md, claims.csv, runs.csv, summary.csv and figures/ beside it"


def publish(results_dir: str | Path, name: str) -> int:
    """Judge the claims of sweep ``name`` from its stored runs, write its page and print a line a claim; the
    exit code: 1 where a run is not done or a claim could not be judged, else 0."""
    built, judged = _build(results_dir, name)
    _print(judged, built)
    return _exit_code(judged, built)


def describe(results_dir: str | Path, name: str) -> tuple[dict[str, Any], int]:
    """The same for `lsbench report --json`: the facts of any report, and every claim with its comparisons."""
    from lsbench.report.json_report import facts

    built, judged = _build(results_dir, name)
    said = [
        {name: getattr(all_claims()[claim], name) for name in ("words", "source", "measured")}
        | {
            "claim": claim,
            "comparisons": [_numbers(each, decides=place == 0) for place, each in enumerate(group)],
        }
        for claim, group in judged.items()
    ]
    return {**facts(built), "claims": said}, _exit_code(judged, built)


def _build(results_dir: str | Path, name: str) -> tuple[SweepResults, dict[str, list[Finding]]]:
    """Write the page and its tables."""
    built = load_results(results_dir, name)
    table, summary, folder = built.runs, built.summary, built.folder
    claims = {claim: content for claim, content in all_claims().items() if claim in built.sweep.claims}
    evidence = {claim: _evidence(folder, table, claim, built.sweep.claims[claim]) for claim in claims}
    judged = findings({name: claim.compare for name, claim in claims.items()}, evidence)
    plates = [plate] if (plate := forest(judged, table)) else []
    facts: Any = {"command": built.sweep.command, "missing": built.missing, "plates": plates}
    drawn = write_figures(folder / "figures", plates, ["claims"])
    tables = {"runs.csv": table, "summary.csv": summary, "claims.csv": _frame(judged)}
    files = {file: to_csv(content) for file, content in tables.items()}
    files["claims.md"] = claims_markdown.text(judged, table, summary, **facts).encode()
    files["claims.html"] = claims_page.page(judged, table, summary, **facts, drawn=drawn)
    for file, content in files.items():
        write_atomically(folder / file, content)
    return built, judged


def _exit_code(judged: Mapping[str, Sequence[Finding]], built: SweepResults) -> int:
    failed = any(finding.verdict == "failed" for group in judged.values() for finding in group)
    return int(failed or built.exit_code)


def _print(judged: Mapping[str, Sequence[Finding]], built: SweepResults) -> None:
    print("\n".join(lines(judged)))
    print(f"p is Holm-adjusted over {family(judged)}")
    tell_rest(built, f"{built.folder / 'claims.html'}   {BESIDE}")


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
        {"claim": name, "words": all_claims()[name].words, **_numbers(finding, decides=place == 0)}
        for name, group in judged.items()
        for place, finding in enumerate(group)
    ]
    return pd.DataFrame(rows)


def _numbers(finding: Finding, *, decides: bool) -> dict[str, Any]:
    """What was found, by the names of claims.csv."""
    return {
        "comparison": finding.words,
        "decides": decides,
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
