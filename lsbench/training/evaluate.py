"""Evaluation of a trained stack: metrics of each run on each split, before and after temperature scaling."""

from typing import Any

from torch import Tensor

from lsbench import metrics
from lsbench.calibration import reliability
from lsbench.calibration.temperature import fit_temperature, rescale
from lsbench.terms import DIVERGED, DONE, Outcome
from lsbench.training.loop import Trained


def evaluate(trained: Trained) -> list[Outcome]:
    """The outcome of every member: temperature from calibrate, metrics from test, and accuracy and NLL of
    train and select, which show overfitting."""
    logits, labels = trained.logits, trained.labels
    temperature = fit_temperature(logits["calibrate"], labels["calibrate"])
    bins = reliability.tables(logits["test"], labels["test"], temperature)
    select = metrics.measure(logits["select"], labels["select"])
    select_scaled = metrics.measure(rescale(logits["select"], temperature), labels["select"])
    train_accuracy = (logits["train"].argmax(-1) == labels["train"]).double().mean(1)
    columns: dict[str, Tensor] = {
        "train_accuracy": train_accuracy,
        **metrics.test_columns(logits["test"], labels["test"], temperature),
        "select_accuracy": select["accuracy"],
        "select_nll": select["nll"],
        "select_nll_ts": select_scaled["nll"],
    }
    return [
        _diverged(trained, member)
        if step >= 0
        else Outcome(
            status=DONE,
            columns={
                **_sizes(trained),
                **{name: values[member].item() for name, values in columns.items()},
                "temperature_flag": temperature.flag[member],
            },
            history=tuple(trained.history[member]),
            reliability=bins[member],
            predictions=_predictions(trained, member),
            weights=trained.weights[member],
        )
        for member, step in enumerate(trained.diverged_step)
    ]


def _sizes(trained: Trained) -> dict[str, float]:
    """Sizes of the splits and of the stack; ``train_seconds`` is the run's share of the stack's time."""
    members = len(trained.history)
    return {
        "n_train": trained.labels["train"].shape[1],
        "n_test": trained.labels["test"].shape[1],
        "stack_size": members,
        "train_seconds": trained.seconds / members,
    }


def _diverged(trained: Trained, member: int) -> Outcome:
    step = trained.diverged_step[member]
    return Outcome(
        status=DIVERGED,
        columns={**_sizes(trained), "diverged_step": step},
        history=tuple(trained.history[member]),
        error=f"the loss was not finite at step {step}: try a lower lr or a warm-up",
    )


def _predictions(trained: Trained, member: int) -> dict[str, Any]:
    """Logits and labels of test and calibrate, from which all figures of a report can be recomputed, and the
    test rows, by which runs with different splits are compared."""
    arrays: dict[str, Any] = {"test_rows": trained.test_rows[member].cpu().numpy()}
    for split in ("test", "calibrate"):
        arrays[f"{split}_logits"] = trained.logits[split][member].float().cpu().numpy()
        arrays[f"{split}_labels"] = trained.labels[split][member].cpu().numpy()
    return arrays
