import math
import random

import pandas as pd
import pytest
from scipy import stats as scipy_stats

from lsbench.analysis.baselines import strengths
from lsbench.analysis.columns import stem
from lsbench.analysis.labels import distinguishing_columns, lines, varying_settings
from lsbench.analysis.selection import chosen
from lsbench.analysis.tables import runs_table
from lsbench.terms import COLUMNS

from ..records import make_results


def summarise(records):
    return make_results(records).summary


def cell(summary, **settings):
    rows = summary
    for name, value in settings.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def baseline(summary, **settings):
    """The settings of a cell's baseline as (method, alpha, label_noise, weight_decay), or None."""
    name = cell(summary, **settings)["baseline"]
    if not name:
        return None
    row = cell(summary, cell=name)
    return row["method"], row["alpha"], row["label_noise"], row["weight_decay"]


def test_runs_have_a_row_each_and_columns_in_order(sweep):
    runs = runs_table(sweep())
    assert len(runs) == 75
    further = ["temperature_flag", "diverged_step", "test_confidence_wrong", "test_ece_floor"]
    assert list(runs.columns) == [*COLUMNS, *further, "test_ece_floor_ts", "select_nll_ts", "cell"]
    assert list(runs["method"].unique()) == ["none", "augment", "dropout"]
    assert list(runs["seed"][:6]) == [0, 1, 2, 3, 4, 0]


def test_tables_do_not_depend_on_the_order_of_records(sweep, record):
    records = [*sweep(), record("mixup", 0.1, 0, mixup_beta=0.2), record("cutout", 0.1, 0, cutout_size=8)]
    shuffled = random.Random(0).sample(records, len(records))
    pd.testing.assert_frame_equal(runs_table(records), runs_table(shuffled))
    pd.testing.assert_frame_equal(summarise(records), summarise(shuffled))


def test_whole_numbers_stay_whole_beside_nulls(record):
    runs = runs_table([record(seed=0), record(seed=1, status="failed", n_train=None)])
    assert runs["n_train"].tolist()[0] == 3000
    assert str(runs["n_train"].dtype) == "Int64"


def test_differences_equal_scipy(sweep):
    records = sweep()
    summary = summarise(records)

    def values(method, alpha):
        rows = [r for r in records if (r["method"], r["alpha"]) == (method, alpha)]
        return [r["test_accuracy"] for r in sorted(rows, key=lambda r: r["seed"])]

    expected = scipy_stats.ttest_rel(values("dropout", 0.1), values("none", 0.0))
    interval = expected.confidence_interval(0.95)
    row = cell(summary, method="dropout", alpha=0.1)
    assert row["test_accuracy_diff_n"] == 5
    assert row["test_accuracy_p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["test_accuracy_diff_low"] == pytest.approx(interval.low, rel=1e-9)
    assert row["test_accuracy_diff_high"] == pytest.approx(interval.high, rel=1e-9)
    assert row["test_accuracy_p_holm"] >= row["test_accuracy_p"]


def test_only_seeds_of_both_cells_are_paired(record):
    base = [record("none", 0.0, seed, test_accuracy=0.9 + 0.01 * seed) for seed in range(4)]
    ours = [record("none", 0.1, seed, test_accuracy=0.95 + 0.012 * seed) for seed in (1, 3, 5)]
    row = cell(summarise([*base, *ours]), alpha=0.1)
    assert row["n"] == 3
    assert row["test_accuracy_diff_n"] == 2
    # seeds 1 and 3: 0.962 − 0.91 = 0.052 and 0.986 − 0.93 = 0.056
    assert row["test_accuracy_diff"] == pytest.approx(0.054)
    assert row["test_accuracy_mean"] == pytest.approx((0.962 + 0.986 + 1.01) / 3)


def test_failures_are_counted_and_not_averaged(sweep, record):
    records = sweep(seeds=range(3), methods=["none"], alphas=[0.0, 0.1])
    records += [
        record("none", 0.1, 3, status="diverged"),
        record("none", 0.1, 4, status="failed", n_train=None),
    ]
    row = cell(summarise(records), alpha=0.1)
    assert (row["n"], row["n_failed"]) == (3, 2)
    assert not math.isnan(row["test_accuracy_mean"])


def test_a_cell_in_which_everything_failed_is_there(sweep, record):
    records = sweep(seeds=range(2), methods=["none"], alphas=[0.1])
    records += [record("none", 0.0, seed, status="failed", n_train=None, n_test=None) for seed in range(2)]
    summary = summarise(records)
    assert cell(summary, alpha=0.0)["n"] == 0
    assert math.isnan(cell(summary, alpha=0.0)["test_accuracy_mean"])
    row = cell(summary, alpha=0.1)
    assert row["baseline"] == cell(summary, alpha=0.0)["cell"]
    assert row["test_accuracy_diff_n"] == 0 and math.isnan(row["test_accuracy_diff"])


def test_one_seed_has_a_mean_and_no_interval(sweep):
    row = cell(summarise(sweep(seeds=[0], methods=["none"], alphas=[0.0, 0.1])), alpha=0.1)
    assert not math.isnan(row["test_nll_mean"]) and not math.isnan(row["test_nll_diff"])
    assert all(
        math.isnan(row[f"test_nll_{name}"]) for name in ("sd", "low", "high", "diff_low", "p", "p_holm")
    )


def test_flags_of_temperatures_are_counted(record):
    flags = ["", "separable", "uninformative"]
    records = [record(seed=seed, temperature_flag=flag) for seed, flag in enumerate(flags)]
    assert summarise(records)["n_flagged"].tolist() == [2]


def test_baseline_is_plain_training(sweep):
    summary = summarise(sweep())
    assert baseline(summary, method="augment", alpha=0.2)[:2] == ("none", 0.0)
    plain = cell(summary, method="none", alpha=0.0)
    assert plain["baseline"] == plain["cell"]
    assert math.isnan(plain["test_accuracy_diff"])


def test_label_noise_is_a_condition(sweep):
    records = sweep(seeds=[0, 1]) + sweep(seeds=[0, 1], label_noise=0.2)
    summary = summarise(records)
    assert baseline(summary, method="dropout", alpha=0.1, label_noise=0.2) == ("none", 0.0, 0.2, 0.0)
    assert baseline(summary, method="dropout", alpha=0.1, label_noise=0.0) == ("none", 0.0, 0.0, 0.0)


def test_a_treatment_that_is_never_off_is_a_condition(sweep):
    always = summarise(sweep(seeds=[0, 1], weight_decay=5e-4))
    methods = ["weight_decay", "augment+weight_decay", "dropout+weight_decay"]
    assert list(always["method"].unique()) == methods  # what each is compared with stands first
    for method in methods:
        assert baseline(always, method=method, alpha=0.1) == ("weight_decay", 0.0, 0.0, 5e-4)
    both = summarise(sweep(seeds=[0, 1], weight_decay=5e-4) + sweep(seeds=[0, 1]))
    assert baseline(both, method="dropout+weight_decay", alpha=0.1) == ("none", 0.0, 0.0, 0.0)


def test_a_treatment_on_in_every_cell_at_several_strengths_leaves_each_its_own_baseline(record):
    grid = [(p, a) for p in (0.2, 0.5) for a in (0.0, 1.0)]
    records = [record("dropout", seed=seed, dropout=p, augment=a) for p, a in grid for seed in (0, 1)]
    summary = summarise(records)
    for p in (0.2, 0.5):
        rows = cell(summary, method="dropout", dropout=p)
        assert rows["baseline"] == rows["cell"]
        assert cell(summary, method="augment+dropout", dropout=p)["baseline"] == rows["cell"]


def test_a_label_is_not_a_treatment(record):
    """Equal knobs are one treatment, even if records of another version give the method another label."""
    off = [record(alpha=alpha, seed=seed) for alpha in (0.0, 0.1) for seed in (0, 1)]
    on = [record("focal", alpha, seed, focal_gamma=3.0) for alpha in (0.0, 0.1) for seed in (0, 1)]
    for item in off:
        item["method"] = "plain"
    summary = summarise(off + on)
    assert baseline(summary, method="focal", alpha=0.1) == ("plain", 0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", ["model.hidden", "optim.momentum"])
def test_the_rows_of_a_line_are_together_where_a_setting_with_a_dot_varies(name, record):
    values = {"model.hidden": ["[32]", "[64, 64]"], "optim.momentum": [0.5, None]}[name]
    records = [record(alpha=a, seed=s, **{name: v}) for v in values for a in (0.0, 0.1, 0.2) for s in (0, 1)]
    placed = summarise(records)[name].isna() if None in values else summarise(records)[name]
    assert (placed != placed.shift()).sum() == 2


def test_a_students_baseline_has_no_teacher(sweep):
    """The cell that lacks only smoothing has the same teacher."""
    plain = sweep(methods=["none"], alphas=[0.0])
    taught = [
        record
        for teacher in ("c1", "c2")
        for record in sweep(
            methods=["distillation"],
            alphas=[0.0, 0.1],
            **{"distillation": 0.9, "teacher_temperature": 4.0, "method.teacher": teacher},
        )
    ]
    results = make_results([*plain, *taught])
    summary = results.summary
    assert len(summary) == 5 and summary["baseline"].nunique() == 1
    assert summary["baseline"][0] == summary["cell"][0] and summary["method"][0] == "none"
    smoothed = cell(summary, **{"alpha": 0.1, "method.teacher": "c2"})
    assert smoothed["unsmoothed"] == cell(summary, **{"alpha": 0.0, "method.teacher": "c2"})["cell"]
    labels = [label for label, _ in lines(summary)]
    assert labels == ["none, method.teacher=none", *(f"distillation, method.teacher=c{n}" for n in (1, 2))]
    assert strengths(summary) == {"distillation": [0.9], "teacher_temperature": [4.0]}
    assert results.runs["teacher_temperature"].tolist() == [0.0] * 5 + [4.0] * 20


def test_other_learning_rates_are_no_baseline(sweep):
    summary = summarise(sweep(seeds=[0, 1], alphas=[0.0]) + sweep(seeds=[0, 1], alphas=[0.1], lr=0.01))
    assert baseline(summary, method="none", alpha=0.1) is None


def test_without_plain_training_alpha_0_of_the_same_settings_stands_in(sweep):
    summary = summarise(sweep(methods=["none"], alphas=[0.1]) + sweep(methods=["dropout"], alphas=[0.0, 0.1]))
    assert baseline(summary, method="dropout", alpha=0.1)[:2] == ("dropout", 0.0)
    assert baseline(summary, method="none", alpha=0.1) is None


def test_convention_does_not_matter_at_alpha_0(sweep):
    smoothed = sweep(methods=["none"], alphas=[0.1], convention="as_printed")
    summary = summarise(sweep(methods=["none"], alphas=[0.0, 0.1]) + smoothed)
    assert baseline(summary, alpha=0.1, convention="as_printed")[:2] == ("none", 0.0)
    rows = sweep(methods=["none"], alphas=[0.0], convention="as_printed")
    summary = summarise(sweep(methods=["none"], alphas=[0.0, 0.1]) + smoothed + rows)
    row = cell(summary, alpha=0.1, convention="as_printed")
    assert row["baseline"] == cell(summary, alpha=0.0, convention="as_printed")["cell"]


def test_a_methods_own_knob_is_a_treatment(sweep, record):
    mixed = [record("mixup", 0.1, seed, mixup_beta=beta) for seed in range(2) for beta in (0.2, 0.4)]
    summary = summarise(sweep(methods=["none"], seeds=range(2)) + mixed)
    assert baseline(summary, alpha=0.1, mixup_beta=0.4)[:2] == ("none", 0.0)
    assert varying_settings(summary) == ["mixup_beta"]


def test_a_methods_own_knob_is_0_where_it_is_off_and_orders_the_rows(record):
    mixed = [record("mixup", alpha, mixup_beta=beta) for beta in (1.0, 0.2) for alpha in (0.1, 0.0)]
    summary = summarise([*mixed, record("focal", focal_gamma=3.0), record("none")])
    settings = summary[["method", "focal_gamma", "mixup_beta", "alpha"]].itertuples(index=False, name=None)
    assert list(settings) == [
        ("none", 0, 0, 0), ("focal", 3, 0, 0),
        ("mixup", 0, 0.2, 0), ("mixup", 0, 0.2, 0.1), ("mixup", 0, 1, 0), ("mixup", 0, 1, 0.1),
    ]  # fmt: skip
    assert strengths(summary) == {"focal_gamma": [3.0], "mixup_beta": [0.2, 1.0]}
    assert summary["baseline"].nunique() == 1 and summary["baseline"][0] == summary["cell"][0]


def test_two_baselines_that_fit_equally_are_none(sweep):
    hidden = sweep(methods=["none"], alphas=[0.0], seeds=[0, 1])
    for record in hidden:
        record |= {"cell": "other", "run": record["run"] + "-other"}
    summary = summarise(hidden + sweep(methods=["none"], alphas=[0.0, 0.1], seeds=[0, 1]))
    assert baseline(summary, alpha=0.1) is None
    assert varying_settings(summary) == [] and distinguishing_columns(summary) == ["cell"]


def test_holm_is_taken_within_a_data_set(sweep):
    alone = summarise(sweep())
    both = summarise(sweep() + sweep(data="cifar10"))
    column = "test_accuracy_p_holm"
    assert both.loc[both["data"] == "mnist5k", column].tolist()[1:] == alone[column].tolist()[1:]
    parts = make_results(sweep() + sweep(data="cifar10")).parts
    assert [(part.data, len(part.cells), len(part.runs)) for part in parts] == [
        ("cifar10", 15, 75),
        ("mnist5k", 15, 75),
    ]


def test_the_chosen_alpha_ignores_the_test_split(sweep):
    records = sweep()
    before = [chosen(line)["alpha"] for _, line in lines(summarise(records))]
    values = random.Random(1).sample([r["test_nll"] for r in records], len(records))
    swapped = [r | {"test_nll": v, "test_accuracy": 1 - v} for r, v in zip(records, values, strict=True)]
    assert [chosen(line)["alpha"] for _, line in lines(summarise(swapped))] == before == [0.05] * 3


def test_smoothing_alone_is_left_out_of_what_a_cell_is_unsmoothed(sweep):
    summary = summarise(sweep(methods=["none", "dropout"], seeds=[0, 1]))
    plain, dropped = (cell(summary, method=name, alpha=0.0)["cell"] for name in ("none", "dropout"))
    row = cell(summary, method="dropout", alpha=0.1)
    assert (row["baseline"], row["unsmoothed"]) == (plain, dropped)
    row = cell(summary, method="none", alpha=0.1)
    assert (row["baseline"], row["unsmoothed"]) == (plain, plain)
    alone = summarise(sweep(methods=["none"], alphas=[0.0]) + sweep(methods=["dropout"], alphas=[0.1]))
    assert cell(alone, method="dropout")["unsmoothed"] == ""


@pytest.mark.parametrize(
    ("diff", "p", "metric", "other"),
    [
        ("test_ece_vs_ts_diff", "test_ece_vs_ts_p", "test_ece", "test_ece_ts"),
        ("test_ece_ts_diff_unsmoothed", "test_ece_ts_diff_unsmoothed_p", "test_ece_ts", "test_ece_ts"),
        ("test_nll_diff_unsmoothed", "test_nll_diff_unsmoothed_p", "test_nll", "test_nll"),
    ],
)
def test_smoothing_is_compared_with_its_method_without_it_and_with_scaling(diff, p, metric, other, sweep):
    records = sweep(methods=["dropout"], seeds=range(6))
    summary = summarise(records)

    def values(alpha, column):
        return [r[column] for r in records if r["alpha"] == alpha]

    expected = scipy_stats.ttest_rel(values(0.05, metric), values(0.0, other))
    interval = expected.confidence_interval(0.95)
    row = cell(summary, alpha=0.05)
    assert row[p] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row[f"{diff}_low"] == pytest.approx(interval.low, rel=1e-9)
    assert row[f"{diff}_high"] == pytest.approx(interval.high, rel=1e-9)
    assert row[f"{diff}_n"] == 6
    assert math.isnan(cell(summary, alpha=0.0)[p])


def test_the_spread_of_differences_is_numpys(sweep):
    records = sweep(methods=["none"], alphas=[0.0, 0.1])
    plain, smoothed = ([r["test_nll"] for r in records if r["alpha"] == alpha] for alpha in (0.0, 0.1))
    expected = pd.Series(smoothed).sub(plain).std()
    assert cell(summarise(records), alpha=0.1)["test_nll_diff_sd"] == pytest.approx(expected, rel=1e-12)


def test_columns_that_earlier_records_lack_are_averaged_where_they_are(record):
    records = [record(seed=seed) for seed in range(4)]
    for seed in (1, 3):
        records[seed]["test_ece_floor"] = 0.01 * seed
    row = cell(summarise(records), alpha=0.0)
    assert row["test_ece_floor_mean"] == pytest.approx(0.02)
    assert row["n"] == 4


def test_the_summary_has_the_p_of_tost_and_the_verdict_of_every_comparison(sweep):
    """The p by scipy's two one-sided tests, and Holm's correction by hand."""
    records = sweep(methods=["none"], alphas=[0.0, 0.1, 0.2], seeds=range(10))
    summary = summarise(records)

    def differences(alpha):
        plain, smoothed = ([r["test_nll_ts"] for r in records if r["alpha"] == a] for a in (0.0, alpha))
        return [b - a for a, b in zip(plain, smoothed, strict=True)]

    expected = {}
    for alpha in (0.1, 0.2):
        values, margin = differences(alpha), 0.005
        above = scipy_stats.ttest_1samp(values, -margin, alternative="greater").pvalue
        below = scipy_stats.ttest_1samp(values, margin, alternative="less").pvalue
        expected[alpha] = max(above, below)
    least, most = sorted(expected.values())
    adjusted = {least: min(1, 2 * least), most: max(most, min(1, 2 * least))}
    for alpha, p in expected.items():
        row = cell(summary, alpha=alpha)
        assert row["test_nll_ts_p_tost"] == pytest.approx(p, rel=1e-9)
        assert row["test_nll_ts_p_tost_holm"] == pytest.approx(adjusted[p], rel=1e-9)
    [part] = make_results(records).parts
    for judged in part.verdicts:
        row = cell(summary, cell=judged.cell)
        assert row[f"{stem(judged.metric, judged.kind)}_verdict"] == judged.verdict_label
    assert set(cell(summary, alpha=0.0)[[f"{m}_verdict" for m in ("test_accuracy", "test_ece_vs_ts")]]) == {
        ""
    }
