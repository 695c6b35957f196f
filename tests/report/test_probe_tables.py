import pandas as pd
import pytest
from scipy import stats

from lsbench.report.probe_tables import FACTS, probe_table

from ..records import make_results, make_sweep


@pytest.fixture
def probed():
    records = make_sweep(methods=["none", "dropout"], alphas=[0.0, 0.1], seeds=range(4))
    rows = [
        {name: record.get(name) for name in FACTS}
        | {
            "pgd_accuracy": 0.5 - record["alpha"] + 0.01 * record["seed"] * (1 + record["alpha"]),
            "pgd_epsilon": 0.1,
            "margin": 2 + record["alpha"] * record["seed"],
            "within_between": 1 + record["alpha"],
        }
        for record in records
    ]
    [part] = make_results(records).parts
    return part, pd.DataFrame(rows)


def test_each_column_in_which_runs_differ_has_its_mean_and_what_smoothing_does_to_the_method(probed):
    part, table = probed
    header, rows = probe_table(part, table)
    assert header == ["method", "α", "n", "pgd accuracy %", "Δ, points", "margin", "Δ"]
    assert [row[:3] for row in rows] == [
        [name, alpha, "4"] for name in ("none", "dropout") for alpha in ("0", "0.1")
    ]
    d = [100 * (-0.1 + 0.001 * seed) for seed in range(4)]
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    assert rows[0][4] == "—"
    assert rows[3][4] == f"{sum(d) / 4:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]".replace("-", "−")


def test_without_a_probe_there_is_no_row(probed):
    part, _ = probed
    assert probe_table(part, pd.DataFrame(columns=["run"]))[1] == []
