"""Files other programs read, from fitted motions: BVH, GLB, TRC, C3D, JSON, NPZ and joint angles. No torch, no display."""
