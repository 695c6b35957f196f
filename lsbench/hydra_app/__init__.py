"""Everything that Hydra is told of lsbench: launcher, sweepers, and the state of one command."""
