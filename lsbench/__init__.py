"""lsbench: does label smoothing help? Trains, sweeps and measures, and answers with evidence."""

__version__ = "0.1.0"
