"""The settings of a run: types, ranges, identity, and conversion from Hydra's DictConfig to a `Run`.

The dataclasses below are both Hydra's schema and the records that the rest of lsbench works with. A range is
given once, beside its field, and checked when the object is made, before any data is read.
"""

import hashlib
import json
import math
import pickle
import re
from dataclasses import Field, FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lsbench.errors import UsageError
from lsbench.terms import CONVENTIONS, METHOD_KNOBS

# Raise it when the same settings give other numbers than before; it is part of a run's identity.
RESULT_VERSION = 2

RESERVED = ("runs", "hydra")  # folders of results_dir that are not sweeps
EXECUTORS = ("auto", "stack", "pool", "graphs")
# The knobs that have a column in terms.COLUMNS are fields of `Run`; those of other methods are in
# ``method.knobs``, so that a new method needs no new field. Where a knob is stored is part of a run's
# identity: moving one trains its runs again.
KNOBS = ("alpha", "lr", *METHOD_KNOBS, "label_noise")
# The settings that each optimiser does not read.
UNUSED = {"sgd": ("beta1", "beta2", "eps"), "adamw": ("momentum", "nesterov")}


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` up to ``high``; ``high`` itself only if the range is ``closed``."""

    low: float
    high: float = math.inf
    closed: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return self.low <= value < self.high or (self.closed and value == self.high)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"of at least {self.low}"
        return f"from {self.low} to {'' if self.closed else 'below '}{self.high}"


def setting(default: Any, allowed: Any = None, *, identity: bool = True) -> Any:
    """A field with its range. ``identity=False`` marks a setting that does not change a run's outcome."""
    metadata = {"allowed": allowed, "identity": identity}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


class Name:
    """Text that is safe as part of a file name."""

    def __contains__(self, value: object) -> bool:
        return (
            isinstance(value, str)
            and bool(re.fullmatch(r"[\w+=-][\w.+=-]{0,79}", value))
            and value not in RESERVED
        )

    def __str__(self) -> str:
        return f"of up to 80 letters, digits and . _ + = - (but not {' or '.join(RESERVED)})"


class RangeChecked:
    """Base class that checks each field against its range. ``prefix`` is the group before the key of each."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in fields(cast(Any, self)):
            value, allowed = getattr(self, item.name), item.metadata["allowed"]
            if allowed is not None and value not in (None, "???") and value not in allowed:
                shown = f"{value:g}" if isinstance(value, float) else value
                raise UsageError(f"{self.prefix}{item.name}={shown}: allowed is {describe(item)}")


def describe(item: "Field[Any]") -> str:
    """A field's type and range in words, for messages."""
    allowed = item.metadata["allowed"]
    if isinstance(allowed, tuple):
        return "one of " + ", ".join(allowed)
    kind = getattr(item.type, "__name__", str(item.type))
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
    return f"{words.get(kind.split(' ')[0], 'a mapping')} {allowed or ''}".rstrip()


@dataclass(frozen=True)
class DataConfig(RangeChecked):
    """The data set, its folder, the rows of each split (null: all that remain), and the extent of
    `augment=1`: shifts of up to ``shift`` pixels, and a flip half of the time if ``flip`` is on."""

    prefix: ClassVar[str] = "data."
    name: str = setting("???", Name())
    _target_: str = setting("???", identity=False)
    root: str | None = setting(None, identity=False)
    train: int | None = setting(None, Range(1))
    select: int = setting(500, Range(1))
    calibrate: int = setting(500, Range(1))
    test: int | None = setting(None, Range(1))
    shift: int = setting(0, Range(0))
    flip: bool = setting(False)
    options: dict[str, Any] = setting(dict)


@dataclass(frozen=True)
class MethodConfig(RangeChecked):
    """The method's name, the knobs that are not fields of `Run`, and the teacher of a method that needs one:
    a stored run or the name of its cell, softened by ``teacher_temperature``."""

    prefix: ClassVar[str] = "method."
    name: str = setting("none", Name(), identity=False)
    knobs: dict[str, float] = setting(dict)
    teacher: str | None = setting(None)
    teacher_temperature: float = setting(4.0, Range(0.01, 1000, closed=True))


@dataclass(frozen=True)
class OptimConfig(RangeChecked):
    """The optimiser and its learning-rate schedule; lr and weight_decay are knobs of `Run`."""

    prefix: ClassVar[str] = "optim."
    name: str = setting("sgd", ("sgd", "adamw"))
    momentum: float = setting(0.9, Range(0, 1))
    nesterov: bool = setting(True)
    beta1: float = setting(0.9, Range(0, 1))
    beta2: float = setting(0.999, Range(0, 1))
    eps: float = setting(1e-8, Range(0))
    schedule: str = setting("cosine", ("cosine", "constant"))
    warmup_epochs: float = setting(0.0, Range(0))


@dataclass(frozen=True)
class Run(RangeChecked):
    """One configuration with one seed."""

    data: DataConfig = setting(DataConfig)
    model: dict[str, Any] = setting(dict)
    method: MethodConfig = setting(MethodConfig)
    optim: OptimConfig = setting(OptimConfig)
    alpha: float = setting(0.0, Range(0, 1))
    convention: str = setting("uniform", CONVENTIONS)
    dropout: float = setting(0.0, Range(0, 1))
    augment: float = setting(0.0, Range(0, 1, closed=True))
    weight_decay: float = setting(0.0, Range(0))
    label_noise: float = setting(0.0, Range(0, 1, closed=True))
    lr: float = setting(0.1, Range(0))
    epochs: int = setting(20, Range(1))
    batch_size: int = setting(128, Range(1))
    seed: int = setting(0, Range(0, 2**31))
    precision: str = setting("fp32", ("fp32", "bf16", "fp64"))
    device: str = setting("auto", identity=False)
    executor: str = setting("auto", EXECUTORS, identity=False)
    checkpoint_minutes: float = setting(5.0, Range(0), identity=False)
    name: str = setting("sweep", Name(), identity=False)
    results_dir: str = setting("results", identity=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model and self.model.get("name") not in Name():
            raise UsageError(f"model.name={self.model.get('name')}: allowed is text {Name()}")
        if self.results_dir.startswith("~"):
            raise UsageError(f"results_dir={self.results_dir}: ~ is not expanded here; use an absolute path")
        for knob in self.method.knobs:
            if hasattr(self, knob):
                raise UsageError(f"method.knobs.{knob}: {knob} is a top-level setting; use {knob}=")

    @property
    def knobs(self) -> dict[str, float]:
        """The numbers, except the seed, that may differ between the members of a stack."""
        return {name: getattr(self, name) for name in KNOBS} | self.method.knobs

    @property
    def method_name(self) -> str:
        """The regularisers that are on: none, dropout, augment+dropout. It depends on the knobs alone, not on
        ``method.name``; a knob is called by its method, such as mixup for mixup_beta."""
        from lsbench.methods import all_methods  # here, since it imports torch, and settings do not need it

        on = [knob for knob in (*METHOD_KNOBS, *self.method.knobs) if self.knobs[knob]]
        owners = {method.knob: name for name, method in all_methods().items()}
        return "+".join(sorted(owners.get(knob, knob) for knob in on)) or "none"

    @property
    def model_name(self) -> str:
        return str(self.model["name"])

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that changes the outcome, as nested dicts: without paths, device, names, and
        settings that the chosen optimiser does not read."""
        settings: dict[str, Any] = _identity(self)
        settings["method"]["knobs"] = {knob: value for knob, value in self.method.knobs.items() if value}
        if self.method.teacher is None:
            del settings["method"]["teacher"], settings["method"]["teacher_temperature"]
        for name in UNUSED[self.optim.name]:
            del settings["optim"][name]
        return settings

    def with_absolute_paths(self, folder: str | Path) -> "Run":
        """Resolve the run's relative paths against ``folder``."""
        root = self.data.root and str(folder / Path(self.data.root))
        data = replace(self.data, root=root)
        return replace(self, results_dir=str(folder / Path(self.results_dir)), data=data)

    def run_id(self, data_sha256: str) -> str:
        """The run's name in the store: a readable part, then a hash of all that changes the outcome."""
        front = f"{self.data.name}-{self.model_name}-{self.method_name}-a{self.alpha + 0.0:g}-s{self.seed}"
        return f"{front}-{_digest(self.settings, data_sha256)}"

    def cell_id(self, data_sha256: str) -> str:
        """A hash of everything but the seed, equal for the runs that are one row of a table. It begins with a
        letter so that a spreadsheet does not read 12e45678 as a number."""
        return "c" + _digest(self.settings | {"seed": None}, data_sha256)


def _digest(settings: dict[str, Any], data_sha256: str) -> str:
    content = {"settings": settings, "data": data_sha256, "result_version": RESULT_VERSION}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def _identity(settings: Any) -> Any:
    if is_dataclass(settings):
        names = [item.name for item in fields(settings) if item.metadata["identity"]]
        return {name: _identity(getattr(settings, name)) for name in names}
    if isinstance(settings, dict):
        return {key: _identity(value) for key, value in settings.items()}
    return settings + 0.0 if isinstance(settings, float) else settings  # -0.0 is 0.0


def register() -> None:
    """Store the schema that conf/train.yaml's defaults list names."""
    ConfigStore.instance().store(name="schema", node=_schema())


def _schema() -> DictConfig:
    """The schema, writable: OmegaConf makes nodes of frozen dataclasses read-only, but Hydra sets values."""
    schema = OmegaConf.structured(Run)
    for node in (schema, schema.data, schema.method, schema.optim):
        OmegaConf.set_readonly(node, None)
    return cast(DictConfig, schema)


def duplicate(composed: DictConfig) -> DictConfig:
    """A copy, made by pickling: copy.deepcopy took twice the time with OmegaConf's many small objects."""
    return cast(DictConfig, pickle.loads(pickle.dumps(composed)))


def to_run(composed: DictConfig) -> Run:
    """The composed configuration as a checked `Run`.

    Raises `UsageError` for a value out of its range, and omegaconf's errors for one of the wrong type.
    """
    settings = duplicate(composed)
    with open_dict(settings):
        settings.pop("hydra", None)
    try:
        return cast(Run, OmegaConf.to_object(settings))
    except FrozenInstanceError as error:  # a key added with + that is in no dataclass
        raise UsageError(f"{str(error).rpartition(' ')[2].strip(chr(39))}: no such setting") from None


def to_yaml(run: Run) -> str:
    """All settings of the run, paths included, as the YAML of config.yaml in the store."""
    return OmegaConf.to_yaml(OmegaConf.create(asdict(run)))


def from_yaml(text: str) -> Run:
    """The run whose settings `to_yaml` wrote, checked again.

    Raises `UsageError` for a value out of its range and ValueError if the text is not the settings of a run,
    or has a reference such as ${oc.env:HOME}: `to_yaml` writes values only, and resolving one calls code.
    """
    if "${" in text:
        raise ValueError("not the settings of a run (it refers to other values with ${)")
    try:
        return cast(Run, OmegaConf.to_object(OmegaConf.merge(_schema(), OmegaConf.create(text))))
    except (OmegaConfBaseException, YAMLError, TypeError) as error:
        raise ValueError(f"not the settings of a run ({' '.join(str(error).split())})") from error
