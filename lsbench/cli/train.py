"""`lsbench train`, and the steps that `compare` and `claims` share with it: arguments, Hydra, reports."""

import gc
import os
import shlex
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from lsbench import conf_dir
from lsbench.cli.parser import SYNONYMS, Parser, check_results_dir
from lsbench.errors import LsbenchError, UsageError, shown

# The launchers and sweepers that --dry-run can plan for.
DRY_RUN_CHOICES = {"hydra/launcher": ("stacked",), "hydra/sweeper": ("grid", "claims", "decide")}
# Hydra's flags that take a value, and those that do not.
VALUES = ("cfg", "package", "config_path", "config_name", "config_dir", "info", "experimental_rerun")
SWITCHES = ("resolve", "run", "multirun", "shell_completion", "hydra_help")


def main(arguments: Sequence[str]) -> int:
    """Train one run, or with -m a sweep; return the exit code."""
    return start("train", arguments, parse("train", arguments))


def parse(command: str, arguments: Sequence[str]) -> Namespace:
    """Parse Hydra's flags, ``--dry-run`` and ``--help``; the other words are in ``overrides``.

    ``--config-dir`` takes effect here, before anything is imported that lists methods, models and so on.
    """
    parser = Parser(command, settings=[*SYNONYMS.values(), "name", "convention", "precision", "device"])
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    # Hydra's own, see hydra._internal.utils.get_args_parser
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--config-name", "-cn")
    parser.add_config_dir()
    parser.add_argument("--experimental-rerun")
    choices = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=choices)
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--run", "-r", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    parsed = parser.parse(arguments)
    file = parsed.experimental_rerun
    if file and not Path(file).is_file():
        raise UsageError(f"--experimental-rerun={file}: no such file")
    if file and parsed.overrides:
        word = parsed.overrides[0]
        raise UsageError(
            f"--experimental-rerun={file}: has every setting; leave out {word}, which would not act"
        )
    return parsed


def start(command: str, arguments: Sequence[str], parsed: Namespace, preset: Sequence[str] = ()) -> int:
    """Hand the words after ``preset`` and the flags to Hydra, train, report, and return the exit code.

    However a multirun ends, its reports are written from the runs that are stored. With ``--dry-run`` the
    plan is printed, and nothing is trained or written.
    """
    if parsed.help:
        from lsbench.cli.settings_help import page

        print(page(command, [*preset, *parsed.overrides], parsed.config_dir), end="")
        return 0
    for word in parsed.overrides:
        if word.startswith("=") or ("=" not in word and not word.startswith("~")):
            raise UsageError(f"{shown(word)}: a setting is KEY=VALUE; lsbench {command} --help lists them")
        key, _, value = word.lstrip("+").partition("=")
        if key == "results_dir":
            check_results_dir(value.strip("'\""))
    words = [*preset, *parsed.overrides]
    line = shlex.join(["lsbench", command, *arguments])
    if not parsed.dry_run:
        return _run(line, words, parsed)
    for word in words:
        key, _, choice = word.partition("=")
        if key in DRY_RUN_CHOICES and choice not in DRY_RUN_CHOICES[key]:
            raise UsageError(f"--dry-run with {key}={choice}: it can plan for {DRY_RUN_CHOICES[key][0]} only")
    with TemporaryDirectory() as folder:  # for the files that Hydra writes
        hydra_dirs = [f"hydra.{mode}.dir={quoted(folder)}" for mode in ("run", "sweep")]
        return _run(line, [*words, *hydra_dirs], parsed)


def _run(line: str, words: Sequence[str], parsed: Namespace) -> int:
    import hydra

    from lsbench.hydra_app import plugins
    from lsbench.hydra_app.compose import hydra_config
    from lsbench.hydra_app.session import Session

    # Configurations are many small objects: at the default threshold of 700, a fifth of a sweep's time was
    # garbage collection.
    gc.set_threshold(100_000)
    plugins.register()
    session = Session(line, parsed.dry_run)
    run_hydra = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(
        session.run_job
    )
    flags = [f"--{name.replace('_', '-')}={value}" for name in VALUES if (value := getattr(parsed, name))]
    flags += [f"--{name.replace('_', '-')}" for name in SWITCHES if getattr(parsed, name)]
    argv = flags if parsed.hydra_help else [*words, *flags]  # Hydra's own help takes no setting of lsbench
    with hydra_config(None):
        try:
            with _arguments_for_hydra(["lsbench", *argv]), _pickle_named(parsed.experimental_rerun):
                run_hydra()
        except BaseException:
            if not session.dry_run:
                with suppress(LsbenchError):
                    session.salvage()
            raise
        code = 0 if session.dry_run else session.report()
    if session.error:
        raise session.error
    return code


@contextmanager
def _pickle_named(file: str | None) -> Iterator[None]:
    """Turn an error of Hydra, which unpickles ``file``, into a `UsageError` that names it.

    Only Hydra unpickles it, once, since a pickle may call anything. Errors of the run itself are not raised
    here: `Session.run_job` stores them.
    """
    if not file:
        yield
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="hydra.main")  # of settings, which `parse` refuses
            yield
    except LsbenchError:
        raise
    except Exception as error:  # of any type: the bytes may be anything
        raise UsageError(f"--experimental-rerun={file}: not a pickled configuration of Hydra") from error


@contextmanager
def _arguments_for_hydra(argv: list[str]) -> Iterator[None]:
    """Set sys.argv, from which Hydra reads its arguments, and HYDRA_FULL_ERROR, so that it raises errors
    instead of printing them."""
    argv_before, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = argv, "1"
    try:
        yield
    finally:
        sys.argv = argv_before
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error


def quoted(text: str) -> str:
    """Quote ``text`` so that Hydra reads it literally."""
    escaped = text.replace("'", "\\'")
    return f"'{escaped}'"
