"""Hints for common mistakes: names of other programs, flags, paths and bad values."""

import pickle
import shlex

import pytest

pytestmark = pytest.mark.usefixtures("here")

HINTS = [
    (["train", "label_smoothing=0.1"], "label_smoothing: no such setting; did you mean alpha=0.1?"),
    (["train", "-m", "smoothing=0,0.1"], "did you mean alpha=0,0.1?"),
    (["train", "label-smoothing=0.1"], "label-smoothing: no such setting; did you mean alpha=0.1?"),
    (["train", "eps=0.1"], "did you mean alpha=0.1?"),
    (["train", "method.knobs.mixup_beta=1"], "mixup_beta: no such setting without method=mixup; add"),
    (["train", "data.options.size=5"], "size: data=mnist5k has no such option; data=folder has it"),
    (["train", "model.widht=3"], "model.widht: model=mlp has no such setting; it has hidden"),
    (["train", "-m", "hydra.sweeper.params=3"], "hydra.sweeper.params=3: allowed is a mapping, such as {KEY"),
    (["train", "wd=1e-4"], "did you mean weight_decay=1e-4?"),
    (["train", "dropout_rate=0.1"], "did you mean dropout=0.1?"),
    (["train", "lr_rate=0.1"], "did you mean lr=0.1?"),
    (["train", "batch=64"], "did you mean batch_size=64?"),
    (["train", "--alpha", "0.1"], "train: --alpha: settings have no dashes: alpha=0.1"),
    (["compare", "--alpha=0.1"], "compare: --alpha: settings have no dashes: alpha=0.1"),
    (["train", "--label-smoothing", "0.1"], "settings have no dashes: alpha=0.1"),
    (["train", "--weight-decay"], "settings have no dashes: weight_decay=VALUE"),
    (["train", "--mutlirun"], "--mutlirun: no such flag; did you mean --multirun?"),
    (["train", "alpha"], "alpha: a setting is KEY=VALUE"),
    (["train", "=3"], "=3: a setting is KEY=VALUE"),
    (["train", "model=resnet8", "model.hidden=[3]"], "model=resnet8 has no such setting; it has depth"),
    (["train", "model.hidden=5"], "lsbench: model.hidden=5: allowed are whole numbers of at least 1"),
    (["train", "model=resnet8", "model.depth=x"], "lsbench: model.depth=x: allowed is a whole number 6n+2"),
    (["train", "model=resnet8", "model.width=2.5"], "lsbench: model.width=2.5: allowed is a whole number"),
    (["train", "-m", "model=mlp,resnet8", "model.hidden=[3]"], "model=resnet8 has no such setting"),
    (["train", "optim.momentun=0"], "did you mean optim.momentum?"),
    (["train", "model="], "model=: allowed is one of mlp, resnet18"),
    (["train", "model=3"], "model=3: allowed is one of mlp, resnet18"),
    (["train", "model=[1]"], "model=[1]: not a value of this setting"),
    (["train", "data.root=/a=b"], "if it is text, quote it: \"data.root='/a=b'\""),
    (["train", "data.root=é"], "if it is text, quote it: \"data.root='é'\""),
    (["train", "+method.knobs.mine=abc"], "method.knobs.mine=abc: allowed is a number"),
    (["train", "-m", "alpha=interval(0,1)"], "alpha=interval(0,1): a grid takes lists and range()"),
    (["train", "-m", "hydra/sweeper=nope", "seed=0,1"], "hydra/sweeper=nope: allowed is one of"),
    (["train", "--experimental-rerun=/nope"], "--experimental-rerun=/nope: no such file"),
    (["train", "--experimental-rerun=no.pickle", "alpha=0.1"], "has every setting; leave out alpha=0.1"),
    (["train", "--experimental-rerun=no.pickle"], "--experimental-rerun=no.pickle: not a pickled config"),
    (["train", "--experimental-rerun=text.pickle"], "--experimental-rerun=text.pickle: not a pickled config"),
    (["train", "--config-dir"], "--config-dir"),
    (["train", "--config-dir", "nope", "--help"], "lsbench: --config-dir nope: no such folder"),
    (["claims", "--config-dir=", "cost"], "lsbench: --config-dir '': no such folder"),
    (["report", "mine", "--config-dir", "nope"], "lsbench: --config-dir nope: no such folder"),
    (["probe", "mine", "--config-dir", "no.pickle"], "lsbench: --config-dir no.pickle: no such folder"),
    (["train", "results_dir="], "lsbench: results_dir=: allowed is a folder"),
    (["compare", "results_dir=''"], "lsbench: results_dir=: allowed is a folder"),
    (["report", "mine", "results_dir="], "lsbench: results_dir=: allowed is a folder"),
    (["claims", "cots"], "cots: no such claim; did you mean cost?"),
    (["report", "results/mine"], "give the sweep's name, not its folder: lsbench report mine"),
    (["report", "results/mine/"], "lsbench report mine"),
    (["report", "other/theirs"], "lsbench report theirs results_dir=other"),
    (["probe", "results/mine"], "lsbench probe mine"),
    (["report", "mien"], "no sweep named mien"),
    (["report", "mine", "--name", "both"], "report: --name: settings have no dashes: name=both"),
    (["probe", "mine", "--device=cpu"], "device=cpu"),
]


@pytest.mark.parametrize(("arguments", "words"), HINTS, ids=[" ".join(arguments) for arguments, _ in HINTS])
def test_a_mistake_is_answered_with_the_right_words_in_one_line(arguments, words, call, tmp_path):
    for folder in ("results/mine", "other/theirs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "sweep.json").write_text('{"runs": [], "command": "lsbench train -m"}')
    (tmp_path / "no.pickle").write_text("vm")
    (tmp_path / "text.pickle").write_bytes(pickle.dumps("hydra"))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert words in err and err.startswith("lsbench: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("''", "'': no such command"),
        ("train ''", "'': a setting is KEY=VALUE"),
        ("claims ''", "'': no such claim"),
        ("report ''", "no sweep named '' under results"),
        ("probe ''", "no sweep named '' under results"),
        ("probe mine ''", "'': no such probe"),
        ("data ''", "data: no subcommand ''"),
        ("data fetch ''", "data: no data set ''"),
    ],
)
def test_an_empty_argument_is_shown_as_two_quotes(line, words, call):
    code, out, err = call(*shlex.split(line))
    assert (code, out) == (2, "") and err.startswith(f"lsbench: {words}; ") and err.count("\n") == 1


@pytest.mark.parametrize("command", ["train", "report", "\x1b[2J"])
def test_control_characters_of_an_argument_are_not_echoed(command, call):
    code, _, err = call(command, "\x1b]0;title\x07=\x1b[31m")
    assert code == 2 and err.count("\n") == 1
    assert err.rstrip("\n").isprintable() and "\\x1b" in err
