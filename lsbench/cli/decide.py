"""`lsbench decide`: the fewest runs until a question is settled."""

import re
from collections.abc import Sequence

from lsbench.cli import train
from lsbench.errors import UsageError, shown

HELP = """\
usage: lsbench decide [KEY=VALUE ...] [question=[...]] [budget=N] [--dry-run] [--restart]

Train pairs of runs with and without smoothing, a few seeds at a time, until it is settled whether
smoothing helps.

  lsbench decide                                        accuracy and NLL, on the default data
  lsbench decide data=mnist 'question=[accuracy]' budget=16 alpha=0.05
  lsbench decide method=dropout budget=20min            smoothing with dropout, at most 20 minutes

The questions are judged after 4, 6, 8, 12, 16, 24 and 40 pairs. The intervals are widened so that
all looks at all questions together err in at most 5 %. A question is settled when its interval
excludes 0 or lies within the margin of equivalence.

  question=[...]    accuracy, ece, ece_ts, nll_ts; ts is after temperature scaling (default:
                    [accuracy,nll_ts])
  budget=N          at most N pairs (default: 40), or a time for this call: 30s, 20min, 2h
  looks=[...]       other looks, such as looks=[5,10,20], the last of which is the budget
  alpha=A           the smoothing to compare with alpha=0 (default: 0.1)
  name=NAME         the report's folder results/NAME/ (default: decide-<data>-<model>)
  --restart         change the plan of a decision that was begun; its report says so
  --dry-run         show what would be trained and how long it takes; write nothing

The plan is stored before the first run in results/NAME/decide.json. To resume, give the same
command again. Other settings and flags are those of lsbench train; hydra.launcher.cluster=slurm
trains each batch on a cluster.
"""
MOST_PAIRS = 1000
UNITS = {"s": 1, "min": 60, "h": 3600}


def main(arguments: Sequence[str]) -> int:
    """Train look by look until the questions are settled; report and return the exit code."""
    restart = "--restart" in arguments
    parsed = train.parse("decide", [word for word in arguments if word != "--restart"])
    if parsed.help:
        print(HELP, end="")
        return 0
    preset = ["hydra.mode=MULTIRUN", "hydra/sweeper=decide"]
    settings = []
    for word in parsed.overrides:
        key, _, value = word.partition("=")
        if key == "question":
            questions = _listed(word, value, "[accuracy,nll_ts]")
            preset.append(f"hydra.sweeper.questions=[{','.join(questions)}]")
        elif key == "budget":
            preset.append(_budget(value))
        elif key == "hydra.mode":
            raise UsageError(f"{shown(word)}: decide always trains several runs; leave it out")
        elif key == "looks":
            looks = _listed(word, value, "[5,10,20]")
            if not all(re.fullmatch("[0-9]{1,6}", look) and int(look) <= MOST_PAIRS for look in looks):
                raise UsageError(
                    f"{shown(word)}: allowed are numbers of pairs up to {MOST_PAIRS}, such as looks=[5,10,20]"
                )
            preset.append(f"hydra.sweeper.looks=[{','.join(looks)}]")
        else:
            settings.append(word)
    if {"hydra.sweeper.looks", "hydra.sweeper.pairs"} <= {word.partition("=")[0] for word in preset}:
        raise UsageError("looks= and a budget= in pairs: the last look is the budget; leave out one of them")
    if restart:
        preset.append("hydra.sweeper.restart=true")
    if not any(word.startswith("name=") for word in settings):
        preset.append("name=decide-${data.name}-${model.name}")
    parsed.overrides = settings
    return train.start("decide", arguments, parsed, preset)


def _listed(word: str, value: str, example: str) -> list[str]:
    """The names in ``value``, with or without brackets. Raises `UsageError`, with an ``example``."""
    names = [name.strip() for name in value.strip("[]").split(",")]
    if not all(re.fullmatch(r"\w+", name) for name in names):
        raise UsageError(f"{shown(word)}: allowed is a list such as {example}")
    return names


def _budget(value: str) -> str:
    """The setting of the sweeper for a number of pairs or a time."""
    match = re.fullmatch(r"([0-9]+)(s|min|h)?", value)
    if not match or int(match[1]) == 0 or len(match[1]) > 6:
        raise UsageError(
            f"budget={shown(value)}: allowed is a number of pairs from 3, or a time (30s, 20min, 2h)"
        )
    if match[2]:
        return f"hydra.sweeper.seconds={int(match[1]) * UNITS[match[2]]}"
    if not 3 <= int(match[1]) <= MOST_PAIRS:
        raise UsageError(f"budget={value}: allowed are 3 to {MOST_PAIRS} pairs, or a time (30s, 20min, 2h)")
    return f"hydra.sweeper.pairs={match[1]}"
