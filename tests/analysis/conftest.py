"""The evidence of a claim, as the tests of claims make it."""

from ..claims.conftest import evidence

__all__ = ["evidence"]
