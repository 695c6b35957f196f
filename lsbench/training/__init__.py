"""Training: stacks, the loop, forward pass, loss, optimiser, evaluation, trained models."""
