"""`lsbench report`: rebuild reports from stored runs."""

import shlex
from collections.abc import Sequence

from lsbench.cli.parser import Parser, check_sweep_name, split_words
from lsbench.errors import UsageError

HELP = """\
usage: lsbench report NAME [NAME ...] [name=NEW] [results_dir=DIR] [--json] [--verify]

Rebuild the tables, the figures and the page report.html of sweeps from their stored runs.

  lsbench report compare-mnist5k-mlp              one sweep
  lsbench report sweep-a sweep-b name=both        one report of the runs of both
  lsbench report compare-mnist5k-mlp --json       its summary as JSON
  lsbench report compare-mnist5k-mlp --verify     whether its runs are as they were stored

  NAME              a sweep: the name of its folder in results/
  name=NEW          write one report of all their runs to results/NEW/
  results_dir=DIR   the folder of the results (default: results)
  --json            print JSON instead of tables
  --verify          first compare the files of every run with their checksums, and its numbers with
                    those that follow from its predictions; damaged runs are named and left out
  --config-dir DIR  where claims from outside the package are, if the sweep has some
"""
OPTIONS = {"results_dir": "results", "name": ""}


def main(arguments: Sequence[str]) -> int:
    """Rebuild and print the reports of the named sweeps, or with name= one report of all their runs.

    Returns 4 if a run is damaged, 1 if one is missing, failed or diverged. Raises `UsageError` for an unknown
    sweep or flag, `StorageError` for a sweep without a stored run.
    """
    parser = Parser("report", HELP, list(OPTIONS))
    parser.add_argument("words", nargs="*")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verify", action="store_true")
    parser.add_config_dir()
    parsed = parser.parse(arguments)
    names, options = split_words("report", parsed.words, OPTIONS)
    if not names:
        raise UsageError("report: name at least one sweep: lsbench report NAME ...")
    return _report(names, options, arguments, json=parsed.json, verify=parsed.verify)


def _report(
    names: list[str], options: dict[str, str], arguments: Sequence[str], *, json: bool, verify: bool
) -> int:
    from lsbench.report.publish import describe
    from lsbench.store import sweeps

    results_dir = options["results_dir"]
    for name in names:
        check_sweep_name("report", name, results_dir)
        sweeps.check_rebuildable(results_dir, name)
        _check_claims(results_dir, name)
    if options["name"]:
        command = [argument for argument in arguments if argument not in ("--json", "--verify")]
        sweeps.combine(results_dir, names, options["name"], shlex.join(["lsbench", "report", *command]))
        names = [options["name"]]
    if not json:
        return _publish_all(results_dir, names, verify)
    from lsbench.report import json_report

    described = [describe(results_dir, name, verify=verify) for name in names]
    print(json_report.document([report for report, _ in described]))
    return max(code for _, code in described)


def _check_claims(results_dir: str, name: str) -> None:
    """Raise `UsageError` for a sweep of a claim whose file is not on the import path."""
    from lsbench.store import sweeps

    if claims := sweeps.read_sweep(results_dir, name).claims:
        from lsbench.claims import all_claims

        for claim in claims:
            if claim not in all_claims():
                raise UsageError(
                    f"{name}: no claim {claim}; if it is a file of your own, add --config-dir DIR"
                )


def _publish_all(results_dir: str, names: Sequence[str], verify: bool) -> int:
    """Print each report, under its name if there are several; return the greatest exit code."""
    from lsbench.report.publish import publish

    codes = []
    for index, name in enumerate(names):
        if len(names) > 1:
            print(f"\n{name}\n" if index else f"{name}\n")
        codes.append(publish(results_dir, name, verify=verify))
    return max(codes)
