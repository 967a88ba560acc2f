"""People and their joints in the image: OpenPose-style heat maps and part affinity fields."""
