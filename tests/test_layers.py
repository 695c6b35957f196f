"""The floors of the package: a file imports from its own room and from the floors below it."""

import ast
import subprocess
import sys
from pathlib import Path

import lsbench

PACKAGE = Path(lsbench.__file__).parent
FLOORS = [
    {"errors", "formatting", "registry", "rng"},
    {"terms", "calibration"},
    {"ops", "metrics"},
    {"methods", "models"},
    {"config"},
    {"store"},
    {"data", "analysis"},
    {"training"},
    {"execution", "probes"},
    {"claims"},
    {"report"},
    {"hydra_app"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(path: Path) -> set[str]:
    """The modules of lsbench that a file imports, wherever in the file it does, as ``room.module``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("lsbench.") for name in names if name.startswith("lsbench.")}


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    assert {room(path) for path in modules()} == set(FLOOR)
    assert (
        len([path for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.name != "__pycache__"])
        <= 26
    )


def test_imports_lead_downward():
    arrows = [
        (path.relative_to(PACKAGE), target.partition(".")[0])
        for path in modules()
        for target in imported(path)
        if target.partition(".")[0] in FLOOR
    ]
    assert len(arrows) > 100
    upward = [
        f"{path} imports {target}"
        for path, target in arrows
        if room(PACKAGE / path) != target and FLOOR[target] >= FLOOR[room(PACKAGE / path)]
    ]
    assert not upward, "\n".join(upward)


def test_only_config_and_what_hydra_calls_see_a_dictconfig():
    assert {room(path) for path in modules() if "DictConfig" in path.read_text()} == {
        "config",
        "hydra_app",
    }


def test_only_the_forward_pass_maps_over_members():
    mapping = [path.name for path in modules() if "import functional_call" in path.read_text()]
    assert mapping == ["forward.py"]


def test_analysis_is_computed_without_torch():
    names = sorted(path.stem for path in (PACKAGE / "analysis").glob("*.py") if path.stem != "__init__")
    assert len(names) > 5
    imports = "".join(f"import lsbench.analysis.{name}\n" for name in names)
    code = f"{imports}import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
