"""The fixtures of tests/data, for the commands on data sets."""

from ..data.conftest import cache, contents, root, source

__all__ = ["cache", "contents", "root", "source"]
