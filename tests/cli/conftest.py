"""Data on disk, as the tests of data sets make them."""

from ..data.conftest import cache, contents, root, source

__all__ = ["cache", "contents", "root", "source"]
