"""Weight decay: a knob of the optimiser (training/optim.py), registered here as a method without hooks."""

from lsbench.terms import Method

METHOD = Method(knob="weight_decay")
