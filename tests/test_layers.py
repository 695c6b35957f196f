"""The layers of the package: a file imports from its own folder and from the layers below it."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import lsbench

PACKAGE = Path(lsbench.__file__).parent
LAYERS = [
    {"errors", "formatting", "registry", "rng"},
    {"terms"},
    {"calibration"},
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
LAYER = {name: number for number, folders in enumerate(LAYERS) for name in folders}


def folder(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(path: Path) -> set[str]:
    """The modules of lsbench that a file imports, wherever in the file it does, as ``folder.module``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("lsbench.") for name in names if name.startswith("lsbench.")}


def imported_at_load(path: Path) -> set[Path]:
    """The files of lsbench that a file imports when it is loaded, so not inside a function."""
    imports = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
    files = {file_of(f"{node.module}.{alias.name}") for node in imports for alias in node.names}
    return {file for file in files if file} - {PACKAGE / "__init__.py"}


def file_of(name: str) -> Path | None:
    """The file of a module, or of the module that has an object of this name; None outside lsbench."""
    while name.startswith("lsbench"):
        path = PACKAGE.parent / name.replace(".", "/")
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
        name = name.rpartition(".")[0]
    return None


def test_every_folder_has_a_layer_and_every_layer_its_folders():
    assert {folder(path) for path in modules()} == set(LAYER)
    entries = [
        path for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.name != "__pycache__"
    ]
    assert len(entries) <= 26


def test_no_modules_import_each_other_in_a_circle():
    imports = {path: imported_at_load(path) - {path} for path in modules()}
    assert sum(map(len, imports.values())) > 200
    TopologicalSorter(imports).prepare()  # raises CycleError, with the circle


def test_imports_lead_downward():
    arrows = [
        (path.relative_to(PACKAGE), target.partition(".")[0])
        for path in modules()
        for target in imported(path)
        if target.partition(".")[0] in LAYER
    ]
    assert len(arrows) > 100
    upward = [
        f"{path} imports {target}"
        for path, target in arrows
        if folder(PACKAGE / path) != target and LAYER[target] >= LAYER[folder(PACKAGE / path)]
    ]
    assert not upward, "\n".join(upward)


def test_only_config_and_what_hydra_calls_see_a_dictconfig():
    assert {folder(path) for path in modules() if "DictConfig" in path.read_text()} == {"config", "hydra_app"}


def test_only_the_store_changes_files():
    writing = re.compile(r"\.write_(text|bytes)\(|open\([^)]*\"[awx]|rmtree|\.unlink\(")
    assert {folder(path) for path in modules() if writing.search(path.read_text())} == {"store"}


def test_only_the_forward_pass_maps_over_members():
    mapping = [path.name for path in modules() if "import functional_call" in path.read_text()]
    assert mapping == ["forward.py"]


def test_analysis_is_computed_without_torch():
    names = sorted(path.stem for path in (PACKAGE / "analysis").glob("*.py") if path.stem != "__init__")
    assert len(names) > 5
    imports = "".join(f"import lsbench.analysis.{name}\n" for name in names)
    code = f"{imports}import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
