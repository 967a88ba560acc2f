"""Joints over time to one body with constant bones, global in the camera. numpy and scipy; never torch."""
