"""The pages of `lsbench train --help` and `lsbench compare --help`, made from config.py and conf/."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lsbench import conf_dir
from lsbench.cli.train import quoted
from lsbench.config import DataConfig, MethodConfig, OptimConfig, Run, describe
from lsbench.hydra_app import plugins

CHOSEN = ("data._target_", "method.name", "optim.name")  # by GROUP=NAME, never one by one
GROUPS = ("data", "model", "method", "optim", "experiment")
WIDTH = 100
PAGES = {
    "train": """\
usage: lsbench train [-m] [KEY=VALUE ...] [--dry-run]

Train one run, or with -m every combination of the values that are given.

  lsbench train alpha=0.1                                  one run
  lsbench train -m alpha=0,0.05,0.1,0.15,0.2 seed=0,1,2    15 runs and their report
  lsbench train model=resnet8 data=cifar10 method=augment  other choices
""",
    "compare": """\
usage: lsbench compare [KEY=VALUE ...] [--dry-run]

Compare alpha × {{none, dropout, augment}} × 5 seeds; tables, figures and verdicts in results/NAME/.

  lsbench compare                                          on the default data and model
  lsbench compare data=mnist model=resnet8                 on others
  lsbench compare 'seed=range(10)' alpha=0,0.1             with another grid

The grid: {grid}
""",
}
FLAGS = """\
Flags:
  -m, --multirun        sweep over comma-separated values, range(10) and glob(*)
  --dry-run             show what would be trained and how long it takes; write nothing
  --config-dir DIR      add settings (DIR/model/mine.yaml) and code (DIR/lsbench/models/mine.py)
  --cfg job|hydra|all   print the configuration
  --info [PART]         print Hydra's defaults, search path and plugins
  --hydra-help          Hydra's own flags and settings
  --experimental-rerun FILE
                        run a job again from the config.pickle of Hydra's PickleJobInfoCallback;
                        it can run any code, so take only a file of your own
Other launchers: hydra/launcher=joblib; a Slurm cluster: -m hydra.launcher.cluster=slurm.
"""


def page(command: str, words: Sequence[str], config_dir: str | None) -> str:
    """Usage, choices, and settings with their ranges and the values that the choices in ``words`` set."""
    plugins.register()
    chosen = [word for word in words if word.partition("=")[0] in GROUPS and "," not in word]
    extra = [f"hydra.searchpath=[{quoted(config_dir)}]"] if config_dir else []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("train", [*chosen, *extra], return_hydra_config=True)
        params = composed.hydra.sweeper.get("params") or {}
    groups = {group: _choices(group, config_dir) for group in GROUPS}
    grid = " ".join(f"{key}={value}" for key, value in params.items())
    settings = _settings(cast(dict[str, Any], OmegaConf.to_container(composed)))
    choices = "\n".join(_item(f"  {group:12}", ", ".join(names), 14) for group, names in groups.items())
    lines = "\n".join(_item(f"  {key:26} {value:>8}  ", allowed, 39) for key, value, allowed in settings)
    return (
        f"{PAGES[command].format(grid=grid)}\nChoices (GROUP=NAME):\n{choices}\n\n"
        f"Settings (KEY=VALUE), their values and what is allowed:\n{lines}\n\n{FLAGS}"
    )


def _choices(group: str, config_dir: str | None) -> list[str]:
    folders = [conf_dir(), *([Path(config_dir)] if config_dir else [])]
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _item(head: str, text: str, column: int) -> str:
    """``head`` and then ``text``, whose further lines begin at ``column``."""
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * column).rstrip()


def _settings(composed: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Key, value and meaning of each setting: first those of the run, then of its data, method and so on."""
    comments = dict(_comments())
    for schema in (Run, DataConfig, MethodConfig, OptimConfig):
        values = composed[schema.prefix.rstrip(".")] if schema.prefix else composed
        for item in fields(schema):
            if isinstance(values[item.name], dict) or f"{schema.prefix}{item.name}" in CHOSEN:
                continue
            comment = "" if schema.prefix else comments.get(item.name, "")
            allowed = describe(item) + (" or null" if "None" in str(item.type) else "")
            meaning = comment if "|" in comment else "; ".join(filter(None, (allowed, comment)))
            yield f"{schema.prefix}{item.name}", _text(values[item.name]), meaning
    for name, value in composed["data"]["options"].items():
        yield f"data.options.{name}", _text(value), f"a setting of data={composed['data']['name']}"
    for name, value in composed["method"]["knobs"].items():
        yield f"method.knobs.{name}", _text(value), "a number"
    for name, value in composed["model"].items():
        if name not in ("name", "_target_"):
            yield f"model.{name}", _text(value), f"a setting of model={composed['model']['name']}"


def _comments() -> Iterator[tuple[str, str]]:
    """The comments beside the settings of conf/train.yaml, by key."""
    text = (conf_dir() / "train.yaml").read_text(encoding="utf-8")
    for key, comment in re.findall(r"^(\w+): .*?# (.*(?:\n +# .*)*)", text, flags=re.MULTILINE):
        yield key, re.sub(r"\n +# ", " ", comment)


def _text(value: Any) -> str:
    """A value as it is written in YAML."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
