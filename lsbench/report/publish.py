"""Publishing: the files of a stored sweep's report, and its tables on the terminal or as JSON.

Records are the source; every file can be rebuilt from them, and equal records give equal bytes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsbench.analysis.decisions import Decision, decide
from lsbench.analysis.results import SweepResults, load_results
from lsbench.report import decision, html, json_report, markdown, penultimate, sweep, terminal
from lsbench.report.document import Document, Prose, Section
from lsbench.report.figures import geometry
from lsbench.report.figures.files import write as write_figures
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.figures.sweep_figures import KINDS, figure_specs
from lsbench.report.looks import caution
from lsbench.report.probe_tables import Probed
from lsbench.store.files import to_csv, write_atomically
from lsbench.store.sweeps import note_look

if TYPE_CHECKING:
    from lsbench.analysis.findings import Findings


def publish(results_dir: str | Path, name: str, *, verify: bool = False) -> int:
    """Write the report of sweep ``name`` from its stored runs, print it and return the exit code.

    The exit code is 4 if a run is damaged, 1 if one is missing, failed or diverged, or a claim could not be
    judged, else 0; with ``verify`` damage is looked for in every file. A sweep of claims has claims.html and
    claims.md, any other sweep report.html and report.md. Raises `UsageError` for an unknown sweep,
    `StorageError` for files that cannot be read or written.
    """
    results = load_results(results_dir, name, verify=verify)
    if results.sweep.claims:
        from lsbench.report import claims

        findings = write_claims(results)
        _note_look(results)
        terminal.print_claims(findings, results)
        return claims.exit_code(findings, results)
    write_report(results)
    _note_look(results)
    terminal.print_report(results, _decision(results))
    return results.exit_code


def describe(results_dir: str | Path, name: str, *, verify: bool = False) -> tuple[dict[str, Any], int]:
    """Write the report as `publish` does and return it as JSON values, with the exit code."""
    results = load_results(results_dir, name, verify=verify)
    if results.sweep.claims:
        from lsbench.report import claims

        findings = write_claims(results)
        _note_look(results)
        report = json_report.facts(results) | {"claims": claims.described(findings)}
        return report, claims.exit_code(findings, results)
    write_report(results)
    _note_look(results)
    report = json_report.describe(results)
    if decided := _decision(results):
        report["decision"] = decision.describe(decided)
    return report, results.exit_code


def write_report(results: SweepResults) -> None:
    """Write runs.csv, summary.csv, reliability.csv, training.csv, report.md, report.html and figures/.

    The report also shows the penultimate layer as `lsbench probe` has measured it; tables of an earlier probe
    of other runs are removed.
    """
    penultimate.remove_stale(results.folder, results.runs)
    points = penultimate.points(results.folder, results.runs)
    decided = _decision(results)
    path = decision.figure(decided, results.parts[0].title) if decided and results.parts else None
    specs = [*figure_specs(results), *geometry.figure_specs(points, several=len(results.parts) > 1)]
    ratios = penultimate.ratios(results.folder.parent, results.runs)
    probed = Probed(penultimate.probes(results.folder), ratios)
    tables = {"runs.csv": results.runs, "summary.csv": results.summary}
    tables |= {"reliability.csv": results.bins, "training.csv": results.epochs}
    for file, table in tables.items():
        write_atomically(results.folder / file, to_csv(table))
    first = [decision.section(decided, path, caution(results))] if decided else []
    if not decided and (text := caution(results)):
        first.append(Section("Looks", (Prose(text),)))
    document = sweep.document(results, specs, probed, first)
    drawn = [path, *specs] if path else specs
    _write_document(results.folder, "report", document, drawn, [*KINDS, geometry.KIND, decision.KIND])


def write_claims(results: SweepResults) -> "Findings":
    """Judge the claims of a sweep and write runs.csv, summary.csv, claims.csv, claims.md, claims.html and
    figures/. Returns the comparisons of each claim, the deciding one first."""
    from lsbench.report import claims
    from lsbench.report.figures import forest

    findings = claims.judge(results)
    spec = forest.forest(findings, results.runs)
    specs = [spec] if spec else []
    tables = {"runs.csv": results.runs, "summary.csv": results.summary}
    tables["claims.csv"] = claims.comparisons(findings)
    for file, table in tables.items():
        write_atomically(results.folder / file, to_csv(table))
    document = claims.document(findings, results, specs)
    _write_document(results.folder, "claims", document, specs, [forest.KIND])
    return findings


def _note_look(results: SweepResults) -> None:
    """Note that a report of all runs of the sweep was written."""
    if not (results.missing or results.protocol):
        note_look(results.folder.parent, results.sweep, results.looks[-1])


def _decision(results: SweepResults) -> Decision | None:
    """The decision of a sweep that has a protocol."""
    return decide(results.protocol, results) if results.protocol else None


def _write_document(
    folder: Path, stem: str, document: Document, specs: Sequence[FigureSpec], kinds: Iterable[str]
) -> None:
    figures = write_figures(folder / "figures", specs, kinds)
    write_atomically(folder / f"{stem}.md", markdown.render(document, f"{stem}.md").encode())
    write_atomically(folder / f"{stem}.html", html.render(document, figures, f"{stem}.html"))
