"""The command line: argv to a command, errors to one line and an exit code.

Nothing heavy is imported here: `lsbench --help` takes no longer than Python itself.
"""

import errno
import logging
import os
import shlex
import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import suppress

from lsbench import __version__, registry
from lsbench.errors import LsbenchError, StorageError, UsageError, did_you_mean
from lsbench.execution import signals

HELP = """\
lsbench: does label smoothing help, how much, and at which alpha?

  lsbench train alpha=0.1                                   one run
  lsbench train -m alpha=0,0.05,0.1,0.15,0.2 seed=0,1,2     a sweep over every combination
  lsbench compare                                           alpha x {none, dropout, augment} x 5 seeds
  lsbench compare data=mnist model=resnet8 'seed=range(10)' the same on other data, with other settings
  lsbench claims                                            what people say of smoothing, with verdicts
  lsbench report compare-mnist5k-mlp                        tables and figures again, from stored runs
  lsbench probe compare-mnist5k-mlp                         what its stored weights show: attacks, geometry
  lsbench data list                                         data sets, and whether they are on this machine

Commands:
  train     train one run, or with -m every run of a sweep; settings are KEY=VALUE
  compare   the experiment in conf/experiment/compare.yaml
  claims    NAME ...: decide claims by experiment; --help lists them
  report    NAME ...: rebuild tables, figures and the page report.html under results/NAME/;
            name=NEW makes one report of all their runs, --json prints the summary for machines
  probe     NAME [fgsm] [pgd] [geometry] [classes=0,1,2] [alpha=0.1] [device=cpu]: measure a sweep's stored
            weights; probes.csv and the figure of three classes in the last layer under results/NAME/
  data      list | where | verify | fetch

  lsbench train --help lists the settings; every Hydra flag works after train and compare, such as
  --cfg job or --config-dir DIR; --dry-run shows what would be trained.
  lsbench --version tells which lsbench this is.

Exit codes: 0 all done, 1 some run failed or diverged, 2 usage, 3 data, 4 storage, 130 interrupted,
143 terminated.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in ``argv`` and return its exit code; messages go to stderr, one line each."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signals.GATE.install()
    tracebacks = "HYDRA_FULL_ERROR" in os.environ
    logging.raiseExceptions = tracebacks  # a closed pipe is no news
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _say(f"interrupted; go on with: {shlex.join(['lsbench', *arguments])}", 130)
    except signals.Terminated:
        return _say(f"terminated; go on with: {shlex.join(['lsbench', *arguments])}", 143)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as ended:  # Hydra's own way out, 1 for what it cannot make sense of
        return UsageError.exit_code if ended.code else 0
    except Exception as error:
        if tracebacks:
            raise
        return _complain(error, arguments)


def _run(arguments: list[str]) -> int:
    if arguments[:1] in ([], ["--help"], ["-h"], ["help"]):
        print(HELP, end="")
        return 0
    if "--version" in arguments:
        print(f"lsbench {__version__}")
        return 0
    if "query=bash" in arguments:  # the shell asks for completions; its line still has the command in it
        words = os.environ.get("COMP_LINE", "").split(" ")
        os.environ["COMP_LINE"] = " ".join([*words[:1], *words[2:]])
        return _train([argument for argument in arguments if argument not in COMMANDS])
    command = COMMANDS.get(arguments[0])
    if command is None:
        hint = did_you_mean(arguments[0], COMMANDS) or "; lsbench --help shows them"
        if arguments[0].startswith("-"):
            hint = "; flags go behind the command"
        elif "=" in arguments[0]:
            hint = f"; did you mean lsbench train {shlex.join(arguments)}?"
        raise UsageError(f"{arguments[0]}: no such command{hint}")
    if command in (_report, _probe) and {"--help", "-h"} & set(arguments):
        print(HELP, end="")
        return 0
    return command(arguments[1:])


def _train(arguments: list[str]) -> int:
    return _hydra("train", arguments)


def _compare(arguments: list[str]) -> int:
    return _hydra("compare", arguments, experiment="compare")


def _claims(arguments: list[str]) -> int:
    _add_extensions(arguments)
    if "--help" in arguments or "-h" in arguments:
        from lsbench.claims import overview

        print(overview(), end="")
        return 0
    from lsbench.cli import train

    return train.claims(shlex.join(["lsbench", "claims", *arguments]), arguments)


def _add_extensions(arguments: Sequence[str]) -> None:
    """Let ``--config-dir DIR`` bring Python files too; before anything is imported that lists them."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd")
    with suppress(ArgumentError):  # Hydra will complain
        if folder := parser.parse_known_args(arguments)[0].config_dir:
            registry.add_extensions(folder)


def _hydra(command: str, arguments: list[str], **groups: str) -> int:
    _add_extensions(arguments)
    from lsbench.cli import train

    chosen = [f"{group}={choice}" for group, choice in groups.items()]
    return train.main(shlex.join(["lsbench", command, *arguments]), chosen + arguments)


def _report(arguments: list[str]) -> int:
    from lsbench.cli import report

    return report.main(arguments)


def _probe(arguments: list[str]) -> int:
    from lsbench.cli import probe

    return probe.main(arguments)


def _data(arguments: list[str]) -> int:
    from lsbench.cli import data

    return data.main(arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": _train,
    "compare": _compare,
    "claims": _claims,
    "report": _report,
    "probe": _probe,
    "data": _data,
}


def _complain(error: Exception, arguments: Sequence[str]) -> int:
    """One line on stderr, and the exit code: the error's own, 2 for what Hydra refuses, else 1."""
    if isinstance(error, LsbenchError):
        return _say(str(error), error.exit_code)
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        return _say(f"{error.filename or 'output'}: {error.strerror}", StorageError.exit_code)
    if "hydra" in sys.modules:
        from lsbench.cli import hydra_errors

        if hydra_errors.is_usage(error):
            return _say(hydra_errors.explain(error, arguments[1:]), UsageError.exit_code)
    return _say(f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)", 1)


def _say(message: str, code: int) -> int:
    if sys.stderr is not None:  # closed from the start; print would take stdout
        print("lsbench:", " ".join(message.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
