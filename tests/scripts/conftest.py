"""The scripts as modules; they import each other by their bare names."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def load(monkeypatch):
    """Imports scripts/NAME.py."""
    monkeypatch.syspath_prepend(SCRIPTS)

    def loaded(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    return loaded
