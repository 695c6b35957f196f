"""Labels of the cells of one data set and model: the method, and the settings that distinguish it."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lsbench.analysis.columns import settings_of
from lsbench.formatting import format_setting


def varying_settings(table: pd.DataFrame) -> list[str]:
    """The settings other than alpha in which cells of one method differ, and which its label names."""
    methods = table.groupby("method", sort=False)
    several = (name for name in settings_of(table) if name != "alpha" and table[name].nunique() > 1)
    return [name for name in several if (methods[name].nunique() > 1).any()]


def distinguishing_columns(table: pd.DataFrame) -> list[str]:
    """`varying_settings`, and the name of the cell if they do not distinguish all cells."""
    settings = varying_settings(table)
    ambiguous = table.duplicated(["method", "alpha", *settings]).any()
    return [*settings, "cell"] if ambiguous else settings


def by_method(table: pd.DataFrame, settings: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """The label and the rows of each method and combination of values of ``settings``."""
    for key, rows in table.groupby(["method", *settings], sort=False, dropna=False):
        values = (f"{name}={format_setting(value)}" for name, value in zip(settings, key[1:], strict=True))
        yield ", ".join([str(key[0]), *values]), rows


def lines(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The label and the rows of each method and its distinguishing settings, alpha ascending."""
    for label, rows in by_method(table, varying_settings(table)):
        yield label, rows.sort_values("alpha", kind="stable")
