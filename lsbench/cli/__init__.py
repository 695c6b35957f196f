"""The command line: from arguments to a command, from errors to one line and an exit code.

Nothing heavy is imported here: `lsbench --help` takes no longer than Python itself.
"""

import errno
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module

from lsbench import __version__
from lsbench.errors import LsbenchError, StorageError, UsageError, did_you_mean, shown
from lsbench.execution import signals
from lsbench.formatting import one_line

COMMANDS = ("train", "compare", "decide", "claims", "report", "probe", "data")
HELP = """\
usage: lsbench COMMAND [ARGUMENTS]

Does label smoothing help? lsbench trains image classifiers with and without it, and tests the
difference.

Commands (lsbench COMMAND --help shows more):
  train     train one run, or with -m a sweep over every combination of settings
  compare   compare alpha × {none, dropout, augment} × 5 seeds
  decide    train pairs of runs until it is settled whether smoothing helps
  claims    test what is claimed of label smoothing
  report    rebuild tables, figures and pages from stored runs
  probe     measure stored weights: accuracy under attack, clusters of the penultimate layer
  data      list, verify and download data sets

Examples:
  lsbench train alpha=0.1
  lsbench train -m alpha=0,0.05,0.1,0.15,0.2 seed=0,1,2
  lsbench compare data=mnist model=resnet8 'seed=range(10)' --dry-run
  lsbench decide data=mnist budget=20
  lsbench claims cost width
  lsbench report compare-mnist5k-mlp
  lsbench probe compare-mnist5k-mlp geometry
  lsbench data fetch mnist

Settings are KEY=VALUE. Results are in results/NAME/: open report.html, or claims.html after claims.
Shell completion: eval "$(lsbench -sc install=bash)"        Version: lsbench --version

Exit codes: 0 all done, 1 some run failed or diverged, 2 usage, 3 data, 4 storage, 130 interrupted,
143 terminated.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in ``argv`` and return its exit code; messages go to stderr, one line each."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signals.GATE.install()
    tracebacks = "HYDRA_FULL_ERROR" in os.environ
    logging.raiseExceptions = tracebacks  # a closed stderr is not worth a traceback
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(errors="replace")  # an ASCII terminal shows "?" for α
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that its errors get an exit code
        return code
    except KeyboardInterrupt:
        return _say(f"interrupted; resume with: {shlex.join(['lsbench', *arguments])}", 130)
    except signals.Terminated:
        return _say(f"terminated; resume with: {shlex.join(['lsbench', *arguments])}", 143)
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except SystemExit as ended:  # 0 after --help; Hydra exits with 1 for arguments that it rejects
        return UsageError.exit_code if ended.code else 0
    except Exception as error:
        if tracebacks:
            raise
        return _complain(error, arguments)


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["help"] and arguments[1:2]:
        arguments = [arguments[1], "--help"]
    if arguments[:1] in ([], ["--help"], ["-h"], ["help"]):
        print(HELP, end="")
        return 0
    if "--version" in arguments:
        print(f"lsbench {__version__}")
        return 0
    if {"-sc", "--shell-completion"} & set(arguments):
        from lsbench.cli import completion

        return completion.main([argument for argument in arguments if argument not in COMMANDS])
    name = arguments[0]
    if name not in COMMANDS:
        raise UsageError(f"{shown(name)}: no such command{_hint(arguments)}")
    command = import_module(f"lsbench.cli.{name}")
    return int(command.main(arguments[1:]))


def _hint(arguments: Sequence[str]) -> str:
    """A hint for arguments that do not begin with a command."""
    if arguments[0].startswith("-"):
        return "; flags go after the command"
    if "=" in arguments[0]:
        return f"; did you mean lsbench train {shlex.join(arguments)}?"
    return did_you_mean(arguments[0], COMMANDS) or "; lsbench --help lists them"


def _complain(error: Exception, arguments: Sequence[str]) -> int:
    """Print one line for ``error`` and return its exit code: 2 if Hydra rejects a setting, 1 for a bug."""
    if isinstance(error, LsbenchError):
        return _say(str(error), error.exit_code)
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        if not error.filename:
            _discard_stdout()
        return _say(f"{error.filename or 'output'}: {error.strerror}", StorageError.exit_code)
    if "hydra" in sys.modules:
        from lsbench.cli import hydra_errors

        if hydra_errors.is_usage(error):
            return _say(hydra_errors.explain(error, arguments[1:]), UsageError.exit_code)
    return _say(f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)", 1)


def _discard_stdout() -> None:
    """Discard the rest of stdout's buffer: Python would try to write it again at exit, and exit with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str, code: int) -> int:
    """Print ``message`` as one line on stderr, without control characters, and return ``code``."""
    if sys.stderr is not None:  # None if closed before Python started; print would write to stdout
        print("lsbench:", one_line(message), file=sys.stderr)
    return code
