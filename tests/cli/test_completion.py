"""Shell completion, as bash asks for it: `lsbench -sc query=bash` with the line in COMP_LINE."""

import json
import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def complete(call, monkeypatch, tmp_path):
    """A function that returns the candidates for the last word of a line; two sweeps are stored."""
    for folder in ("results/sweep-one", "results/sweep-two", "elsewhere/other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "sweep.json").write_text(json.dumps({}))
    (tmp_path / "results" / "runs").mkdir()

    def ask(line: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        code, out, err = call("-sc", f"query={shell}")
        assert (code, err) == (0, "")
        return out.split("\n" if shell == "fish" else None)

    return ask


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("lsbench ", ["train", "compare", "decide", "claims", "report", "probe", "data"]),
        ("lsbench   re", ["report"]),
        ("lsbench report s", ["sweep-one", "sweep-two"]),
        ("lsbench report sweep-one ", ["sweep-two", "name=", "results_dir="]),
        ("lsbench report results_dir=elsewhere ", ["other", "name=", "results_dir="]),
        ("lsbench report --j", ["--json"]),
        ("lsbench probe sweep", ["sweep-one", "sweep-two"]),
        ("lsbench probe sweep-one g", ["geometry"]),
        ("lsbench probe sweep-one c", ["classes="]),
        ("lsbench data ver", ["verify"]),
        ("lsbench data fetch mn", ["mnist", "mnist5k"]),
        ("lsbench train --dry", ["--dry-run"]),
        ("lsbench train model=resnet2", ["model=resnet20"]),
        ("lsbench compare --dry-run -m alph", ["alpha="]),
        ("lsbench claims cost widt", ["width"]),
        ("lsbench claims cost alph", ["alpha_default", "alpha="]),
        ("lsbench claims cost cos", []),
        ("lsbench nothing x", []),
    ],
)
def test_candidates(line, candidates, complete):
    assert complete(line) == candidates


def test_names_from_config_dir_are_completed(shell, tmp_path):
    for name in ("method/loud.yaml", "lsbench/probes/norm.py"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True)
        (tmp_path / "mine" / name).write_text("")
    for line, candidate in {
        "lsbench train --config-dir mine method=lou": "method=loud",
        "lsbench probe a-sweep --config-dir=mine n": "norm",
        "lsbench probe --config-dir nowhere a-sweep g": "geometry",
    }.items():
        done = shell("-sc", "query=bash", COMP_LINE=line)
        assert (done.stdout.split(), done.stderr) == ([candidate], ""), line


def test_fish_gets_one_candidate_per_line(complete):
    assert complete("lsbench data ", "fish") == ["list", "where", "verify", "fetch", ""]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_after_the_line_that_the_help_shows(tmp_path):
    program = tmp_path / "bin" / "lsbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lsbench "$@"\n')
    program.chmod(0o755)
    script = """
eval "$(lsbench -sc install=bash)"
complete -p lsbench
COMP_LINE="lsbench tr"; COMP_POINT=10; COMP_WORDS=(lsbench tr); COMP_CWORD=1
hydra_bash_completion
echo "${COMPREPLY[*]}"
"""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    installed, candidates = done.stdout.splitlines()
    assert "hydra_bash_completion lsbench" in installed and candidates == "train"
