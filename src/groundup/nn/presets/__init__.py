"""Published architectures."""

from groundup.nn.presets.config import Preset, find_preset, presets

__all__ = ["Preset", "find_preset", "presets"]
