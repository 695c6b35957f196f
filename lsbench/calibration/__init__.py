"""Calibration of probabilities: temperature scaling, bins of confidence, the noise floor of ECE."""
