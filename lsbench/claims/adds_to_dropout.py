"""Claim: smoothing adds to dropout."""

from lsbench.claims._factorial import adds_to

CLAIM = adds_to("dropout", "dropout", "Szegedy et al. 2016 (arXiv:1512.00567) use both; tutorials")
