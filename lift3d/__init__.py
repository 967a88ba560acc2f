"""One person's crop to joints in metres around the pelvis: VNect-style heat maps and location maps."""
