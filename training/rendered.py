"""Rendered people as training samples: exact joints, exact depth."""

from __future__ import annotations
