"""`lsbench probe`: measure a sweep's stored weights."""

import math
import textwrap
from collections.abc import Sequence

from lsbench import registry
from lsbench.cli.parser import Parser, check_sweep_name, split_words
from lsbench.errors import UsageError

HELP = """\
usage: lsbench probe NAME [PROBE ...] [classes=A,B,C] [alpha=A] [device=cpu] [results_dir=DIR]

Measure the stored weights of a sweep, and write probes.csv and figures to its folder.

  lsbench probe compare-mnist5k-mlp                          every probe
  lsbench probe compare-mnist5k-mlp geometry classes=3,5,8   these three classes in the last layer
  lsbench probe compare-mnist5k-mlp fgsm pgd device=cuda     accuracy under attack

  NAME              a sweep: the name of its folder in results/
{probes}
  classes=A,B,C     geometry: the three classes of the figure
  alpha=A           geometry: the alpha that the figure compares with alpha = 0
  device=cpu        auto (default), cpu, cuda or cuda:N
  results_dir=DIR   the folder of the results (default: results)
  --config-dir DIR  where probes, models and data sets from outside the package are
"""
OPTIONS = {"results_dir": "results", "device": "auto", "classes": "", "alpha": ""}
GEOMETRY_OPTIONS = ("classes", "alpha")


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 1 if a run has no weights because it is not done.

    Raises `UsageError` for an unknown sweep, probe, option or class, and whatever `run_probe` raises.
    """
    parser = Parser("probe", settings=list(OPTIONS))
    parser.add_argument("words", nargs="*")
    parser.add_config_dir()
    parsed = parser.parse(arguments)
    if parsed.help:
        probes = ", ".join(registry.listed("probes"))
        indent = " " * 20
        item = textwrap.fill(probes, 100, initial_indent=f"  {'PROBE':18}", subsequent_indent=indent)
        print(HELP.format(probes=item), end="")
        return 0
    words, options = split_words("probe", parsed.words, OPTIONS)
    if not words:
        raise UsageError("probe: name a sweep: lsbench probe NAME [PROBE ...]")
    check_sweep_name("probe", words[0], options["results_dir"])
    return _probe(words[0], words[1:], options)


def _probe(sweep: str, probes: Sequence[str], options: dict[str, str]) -> int:
    from lsbench.probes import all_probes, find_probe
    from lsbench.report.probes import publish
    from lsbench.training.device import choose_device

    names = list(probes) or list(all_probes())
    for name in names:
        find_probe(name)
    given = [key for key in GEOMETRY_OPTIONS if options[key]]
    if given and "geometry" not in names:
        raise UsageError(
            f"probe: {given[0]}={options[given[0]]} is an option of geometry, which is not among the probes"
        )
    classes = tuple(word.strip() for word in options["classes"].split(",")) if options["classes"] else ()
    alpha, device = _alpha(options["alpha"]), choose_device(options["device"])
    return publish(options["results_dir"], sweep, names, device, classes=classes, alpha=alpha)


def _alpha(text: str) -> float | None:
    """The alpha of the smoothed run; None for an empty text. Raises `UsageError` if it is out of range."""
    try:
        alpha = float(text) if text else None
    except ValueError:
        alpha = math.nan
    if alpha is None or 0 < alpha < 1:
        return alpha
    raise UsageError(f"alpha={text}: allowed is a number above 0 and below 1")
