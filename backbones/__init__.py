"""Feature extractors that pose2d and lift3d both stand on, so that a trained trunk can move between them."""
