"""lsbench as a Hydra application: launcher, sweepers, composition of jobs, and the state of one command."""
