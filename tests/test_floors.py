"""The house: a file imports from its own floor and those below; on the floor of parts, only from below."""

import ast
from pathlib import Path

import lsbench

PACKAGE = Path(lsbench.__file__).parent
FLOORS = [
    {"terms", "parts"},
    {"ops", "rng", "memory", "precision", "progress", "provenance", "signals", "storage"},
    {"methods"},
    {"config"},
    {"data", "models", "metrics", "calibrate", "optim", "graphs", "runs", "checkpoint"},
    {"stack", "measure", "loss", "reliability", "probes", "restore", "teachers", "passes", "timing"},
    {"plan", "ways", "report"},
    {"executors", "claims"},
    {"multirun", "jobs", "launcher", "sweeper", "claims_sweeper", "gather", "plugins", "task", "cli"}
    | {"mistakes", "__main__"},
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
SEPARATE = 4  # the floor whose files never import each other


def parts(module: str) -> list[str]:
    return module.split(".")


def imports(path: Path) -> set[str]:
    """The parts of lsbench that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {parts(name)[1] for name in found if parts(name)[0] == "lsbench" and len(parts(name)) > 1}
    return {name for name in inside if name in FLOOR}


def files():
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def owner(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_file_has_a_floor():
    assert {owner(path) for path in files()} <= set(FLOOR)
    assert len(files()) > 30


def allowed(importer: str, imported: str) -> bool:
    return FLOOR[imported] < FLOOR[importer] + (FLOOR[importer] != SEPARATE)


def test_imports_go_downward_and_rivals_stay_apart():
    pairs = [(path, name) for path in files() for name in imports(path) - {owner(path)}]
    assert len(pairs) > 50
    assert not [f"{path.name} imports {name}" for path, name in pairs if not allowed(owner(path), name)]


def test_only_config_and_what_hydra_calls_see_a_dictconfig():
    seeing = {path.name for path in files() if "DictConfig" in path.read_text()}
    assert seeing == {"config.py", "gather.py", "jobs.py", "launcher.py", "task.py"}


def test_only_passes_map_over_members():
    assert {path.name for path in files() if "import functional_call" in path.read_text()} == {"passes.py"}
