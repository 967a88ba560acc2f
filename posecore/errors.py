"""Everything this project raises on purpose, as one tree.

PoseError                 what a user can mend: one line that says what was expected, what came and what to do
├── InputError            the clip, image, camera or annotation file cannot be used
├── ConfigError           a setting is unknown or out of range
├── WeightsError          a weights file is missing, damaged or of another network
└── MissingDependencyErrora library or a system package is absent; names the package that brings it
"""


class PoseError(Exception):
    """Base of all errors meant for users; its text is one complete line."""


class InputError(PoseError):
    """A file or an array that cannot be used."""


class ConfigError(PoseError):
    """An unknown setting or a value out of range."""


class WeightsError(PoseError):
    """Weights that are missing, damaged or made for another network."""


class MissingDependencyError(PoseError):
    """A library or system package that is not installed."""
