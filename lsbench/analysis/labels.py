"""What the cells of one data set and model are called: a method, and what else tells it apart."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lsbench.analysis.columns import settings_of
from lsbench.formatting import format_setting


def varying_settings(table: pd.DataFrame) -> list[str]:
    """Settings besides alpha that tell apart cells of one method, and so belong beside its name."""
    by_method = table.groupby("method", sort=False)
    several = (name for name in settings_of(table) if name != "alpha" and table[name].nunique() > 1)
    return [name for name in several if (by_method[name].nunique() > 1).any()]


def distinguishing_columns(table: pd.DataFrame) -> list[str]:
    """Those of `varying`, and the cell's own name where they are not enough to tell all cells apart."""
    found = varying_settings(table)
    return found if not table.duplicated(["method", "alpha", *found]).any() else [*found, "cell"]


def by_method(table: pd.DataFrame, settings: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each method and value of ``settings``, with a label that says these."""
    for key, rows in table.groupby(["method", *settings], sort=False, dropna=False):
        values = (f"{name}={format_setting(value)}" for name, value in zip(settings, key[1:], strict=True))
        yield ", ".join([str(key[0]), *values]), rows


def lines(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """A label (the method, and what else tells it apart) and its rows, alpha ascending."""
    for label, rows in by_method(table, varying_settings(table)):
        yield label, rows.sort_values("alpha", kind="stable")
