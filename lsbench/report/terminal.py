"""Terminal output: the table of a run, and the tables of a sweep with the paths of its files."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench.formatting import one_line
from lsbench.store import runs
from lsbench.store.sweeps import COMBINING, DECIDING
from lsbench.terms import DONE

if TYPE_CHECKING:
    from lsbench.analysis.decisions import Decision
    from lsbench.analysis.findings import Findings
    from lsbench.analysis.results import Part, SweepResults

# Columns dropped, in this order, if the table is too wide for the terminal.
EXPENDABLE = (
    *(("ECE − T alone, points",), ("gap %",), ("T",), ("floor %",), ("NLL",), ("ECE %",), ("floor·T",)),
    *(("p",), ("n", "failed"), ("NLL·T",), ("ECE·T",), ("accuracy %",), ("Δ points",)),
)
NOTES = {
    "Δ points": "Δ: accuracy against the same method at α = 0, 95 % interval for {target}.",
    "*": "*: chosen on the select split.",
    "·T": "·T: after temperature scaling.",
    "floor": "floor: the ECE that a perfectly calibrated model with these confidences would show.",
}
BESIDE_REPORT = "report.md, runs.csv, summary.csv and figures/ beside it"
BESIDE_CLAIMS = "claims.md, claims.csv, runs.csv, summary.csv and figures/ beside it"
SHORT = {
    "Δ accuracy, points": "Δ points",
    "p (Holm)": "p",
    "ECE % scaled": "ECE·T",
    "floor % scaled": "floor·T",
    "NLL scaled": "NLL·T",
}


def run_table(record: runs.Record, folder: Path) -> str:
    """The test metrics of a finished run before and after temperature scaling."""
    names = [record["data"], record["model"], record["method"]]
    settings = "  ".join([*names, f"alpha {record['alpha']:g}", f"seed {record['seed']}"])
    flag = f"  ({record['temperature_flag']})" if record["temperature_flag"] else ""
    lines = [
        settings,
        f"{'test':10}{'before':>10}{'after temperature scaling':>28}",
        f"{'accuracy':10}{record['test_accuracy']:>10.2%}{record['test_accuracy']:>28.2%}",
        f"{'NLL':10}{record['test_nll']:>10.4f}{record['test_nll_ts']:>28.4f}",
        f"{'ECE':10}{record['test_ece']:>10.2%}{record['test_ece_ts']:>28.2%}",
        f"{'ECE floor':10}{record['test_ece_floor']:>10.2%}{record['test_ece_floor_ts']:>28.2%}",
        f"{'T':10}{1:>10}{record['temperature']:>28.3f}{flag}",
        f"files     {folder}",
    ]
    return "\n".join(lines)


def terminal_table(parts: "Sequence[Part]", *, answer: bool = True) -> str:
    """The ``answer`` and the comparison of each data set and model as text. Columns are left out where the
    table is wider than the terminal."""
    from lsbench.report import document as doc
    from lsbench.report import text
    from lsbench.report.answer import sentences
    from lsbench.report.comparison import comparison

    sections = []
    for part in parts:
        header, rows = comparison(part)
        chosen = {choice.row["cell"] for choice in part.choices}
        alpha = header.index("α")
        for row, cells in zip(part.rows, rows, strict=True):
            cells[alpha] += "*" if row["cell"] in chosen else ""
        titles = [SHORT.get(title, title) for title in header]
        table = doc.Table("Comparison", titles, rows, expendable=EXPENDABLE)
        lead = [doc.Lead(tuple(sentences(part)))] if answer else []
        sections.append(doc.Section(part.title, (*lead, table)))
    tables = text.render(sections)
    targets = dict.fromkeys(judged.target for part in parts for judged in part.verdicts if judged.n > 1)
    notes = [note for mark, note in NOTES.items() if mark in tables]
    shown = [note.format(target=" or ".join(targets) or "new images") for note in notes]
    return "\n\n".join([tables, "\n".join(map(text.wrapped, shown))])


def print_report(results: "SweepResults", decision: "Decision | None" = None) -> None:
    """Print the comparison of a sweep, its ``decision`` if it has one, its unfinished runs, its files and the
    next command."""
    from lsbench.report.looks import caution
    from lsbench.report.text import wrapped

    if results.records:
        print(terminal_table(results.parts, answer=decision is None))
    if text := caution(results):
        print("", wrapped(text, ""), sep="\n")
    if decision:
        from lsbench.report.decision import lines

        print("", *map(wrapped, lines(decision)), sep="\n")
    _print_rest(results, f"{results.folder / 'report.html'}   {BESIDE_REPORT}")


def print_claims(findings: "Findings", results: "SweepResults") -> None:
    """Print a line for each claim, the unfinished runs of the sweep, its files and the next command."""
    from lsbench.report.claim_wording import family, lines
    from lsbench.report.looks import caution
    from lsbench.report.text import wrapped

    print("\n".join(map(wrapped, lines(findings))))
    print(f"p is Holm-adjusted over {family(findings)}")
    if text := caution(results):
        print("", wrapped(text, ""), sep="\n")
    _print_rest(results, f"{results.folder / 'claims.html'}   {BESIDE_CLAIMS}")


def _print_rest(results: "SweepResults", files: str) -> None:
    """Print the end of every sweep's output: the runs that are not done, ``files``, the next command."""
    for record in results.unfinished:
        print(one_line(f"{record['run']}: {record['status']}: {record['error']}"))
    for reason in results.damaged.values():
        print(one_line(f"damaged: {reason}"))
    wanted = len(results.sweep.runs)
    print(f"\n{len(results.records) - len(results.unfinished)} of {wanted} runs done\n{files}")
    if results.without_checksums is not None:
        print(_verified(results.records, results.without_checksums))
    if results.damaged:  # the reason of each says what to do
        return
    if command := next_command(results.sweep.command, results.records, wanted):
        print(one_line(f"next: {command}"))


def _verified(intact: Sequence[runs.Record], without_checksums: Sequence[str]) -> str:
    """The numbers of runs that ``--verify`` found no fault with."""
    text = f"verified: {len(intact) - len(without_checksums)} of {len(intact)} runs"
    if without_checksums:
        text += f"; {len(without_checksums)} cannot be: lsbench 0.2 and earlier stored no checksums"
    return text


def next_command(command: str, records: Sequence[runs.Record], wanted: int) -> str:
    """The command to run after ``command``, with its reason: the same again if runs failed or are missing,
    otherwise one that settles the question with an account of the looks. Empty for what is no comparison of
    training runs, for several data sets or models, and where runs diverged."""
    if "hydra/sweeper" in command or command.startswith((COMBINING, DECIDING)) or not command:
        return ""
    left = wanted - sum(runs.is_final(record) for record in records)
    if left:
        return f"{command}   # trains the {left} that failed or are missing"
    program, name, *words = shlex.split(command)
    several = len({(record["data"], record["model"]) for record in records}) > 1
    if name == "claims" or several or any(record["status"] != DONE for record in records):
        return ""
    settings = [word for word in words if _is_setting_of_decide(word)]
    decide = shlex.join([program, "decide", *settings])
    return f"{decide}   # settles it with the fewest seeds, and accounts for its looks"


def _is_setting_of_decide(word: str) -> bool:
    """True for a single value of a setting that `lsbench decide` does not choose itself."""
    key, equals, value = word.partition("=")
    several = ("," in value.strip("[]") and not value.startswith("[")) or "range(" in value
    return bool(equals) and not several and key not in ("alpha", "method", "seed", "name", "experiment")
