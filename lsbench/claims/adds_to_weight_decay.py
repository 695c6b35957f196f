"""Claim: smoothing adds to weight decay."""

from lsbench.claims._factorial import adds_to

CLAIM = adds_to("weight_decay", "weight decay", "He et al. 2019 (arXiv:1812.01187) use both; tutorials")
