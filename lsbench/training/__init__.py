"""What one training step touches: networks, loss, optimiser, data on the device, evaluation."""
