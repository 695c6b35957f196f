"""Weight decay: a knob of the optimiser (optim.py), so nothing has to be done here but to say so."""

from lsbench.terms import Method

METHOD = Method(knob="weight_decay")
