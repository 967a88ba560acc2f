"""What makes the weights: data sets, augmentation, rendered people and the loop."""
