"""Joints over time to one body with constant bones, global in the camera. numpy, scipy and filterpy; never torch."""
