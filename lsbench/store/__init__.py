"""Everything that is written under results/: runs, sweeps, checkpoints."""
