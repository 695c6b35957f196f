"""``lsbench probe NAME [PROBE ...]``: what a sweep's stored weights show when they are probed."""

import math
from collections.abc import Sequence

from lsbench.errors import UsageError, suggest_or_list
from lsbench.probes import all_probes, find_probe
from lsbench.report.probes import publish
from lsbench.training.device import choose_device

OPTIONS = {"results_dir": "results", "device": "auto", "classes": "", "alpha": ""}
FIGURE = ("classes", "alpha")


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code: 1 where a run has no weights, since it is not done.

    Raises `UsageError` for an unknown sweep, probe, option or class, and what `run_probe` raises.
    """
    words, options = _parsed(arguments)
    if not words:
        raise UsageError("probe: which sweep? lsbench probe NAME [PROBE ...]")
    sweep, names = words[0], list(dict.fromkeys(words[1:])) or list(all_probes())
    for name in names:
        find_probe(name)
    given = [key for key in FIGURE if options[key]]
    if given and "geometry" not in names:
        raise UsageError(
            f"probe: {given[0]}={options[given[0]]} is of geometry, which is not among the probes"
        )
    classes = tuple(word.strip() for word in options["classes"].split(",")) if options["classes"] else ()
    alpha, device = _alpha(options["alpha"]), choose_device(options["device"])
    return publish(options["results_dir"], sweep, names, device, classes=classes, alpha=alpha)


def _alpha(text: str) -> float | None:
    """The alpha of the smoothed run, None where ``text`` is empty. Raises `UsageError` for no smoothing's."""
    try:
        alpha = float(text) if text else None
    except ValueError:
        alpha = math.nan
    if alpha is None or 0 < alpha < 1:
        return alpha
    raise UsageError(f"alpha={text}: allowed is a number above 0 and below 1")


def _parsed(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    words, options = [], dict(OPTIONS)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals and not argument.startswith("-"):
            words.append(argument)
        elif equals and key in OPTIONS:
            options[key] = value
        else:
            raise UsageError(
                f"probe: no option {key}{suggest_or_list(key, [f'{name}=' for name in OPTIONS])}"
            )
    return words, options
