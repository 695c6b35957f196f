"""The order of the claims."""

import importlib
import sys

import lsbench.claims
from lsbench.claims import all_claims, choose

# As the table of claims has it that lsbench was built by.
BY_IMPORTANCE = [
    *("generalisation", "calibration", "overconfidence", "label_noise", "noise_alpha", "adversarial", "cost"),
    *("width", "adds_to_augmentation", "adds_to_dropout", "adds_to_weight_decay", "augmentation_wins"),
    *("dropout_slows", "alpha_default"),
]


def test_claims_come_by_importance_and_those_without_a_rank_last():
    names = list(all_claims())
    assert names[: len(BY_IMPORTANCE)] == BY_IMPORTANCE
    assert names[len(BY_IMPORTANCE) :] == sorted(set(names) - set(BY_IMPORTANCE))
    assert choose(["cost", "width", "cost", "generalisation"]) == ["generalisation", "cost", "width"]
    assert choose([]) == names


def test_a_claim_that_is_added_as_a_file_takes_its_place(tmp_path, monkeypatch):
    def add(name: str, rank: str) -> None:
        text = f"from lsbench.claims import Claim\nCLAIM = Claim('w', 's', 'm', list{rank})\n"
        (tmp_path / f"{name}.py").write_text(text)

    add("zz_between", ", rank=1.5")
    add("aa_without", "")
    add("zz_without", "")
    monkeypatch.setattr(lsbench.claims, "__path__", [*lsbench.claims.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    all_claims.cache_clear()
    try:
        names = list(all_claims())
    finally:
        all_claims.cache_clear()
        for name in ("zz_between", "aa_without", "zz_without"):
            sys.modules.pop(f"lsbench.claims.{name}", None)
    assert names[:3] == ["generalisation", "zz_between", "calibration"]
    assert names.index("aa_without") == len(BY_IMPORTANCE) + 1 and names[-1] == "zz_without"
