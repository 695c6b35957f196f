"""Claim: smoothing adds to augmentation."""

from lsbench.claims._factorial import adds_to

CLAIM = adds_to("augment", "augmentation", "He et al. 2019 (arXiv:1812.01187) use both; tutorials")
