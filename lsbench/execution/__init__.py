"""From jobs to stored runs: planning, stacks on this machine or on Slurm, progress and signals."""
