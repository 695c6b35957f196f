"""Scripts as modules; they import each other by name."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def load(monkeypatch):
    """A function that imports scripts/NAME.py."""
    monkeypatch.syspath_prepend(SCRIPTS)

    def import_script(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return import_script
