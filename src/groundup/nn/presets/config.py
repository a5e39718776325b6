"""Published architectures by name."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig

FILE = Path(__file__).parent / "presets.yaml"


@dataclass(frozen=True)
class Preset:
    """One published size of one family."""

    name: str
    family: str
    source: str
    """Where it is published."""
    settings: dict[str, Any]

    @property
    def filled(self) -> dict[str, Any]:
        """The settings, with heads and feed-forward width by the rules of the originals where the table leaves them out."""
        return {"num_kv_heads": self.settings["num_heads"], "ffn_dim": 4 * self.settings["dim"], **self.settings}

    @property
    def config(self) -> ModelConfig:
        """The model."""
        return ModelConfig.parse(self.filled, self.name)


@cache
def presets() -> dict[str, Preset]:
    """Return all presets by name."""
    families = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {
        name: Preset(name, family, facts["source"], {**facts["shared"], **sizes})
        for family, facts in families.items()
        for name, sizes in facts["sizes"].items()
    }


def find_preset(name: str) -> Preset:
    """Return the preset of that name; raise ConfigError with the nearest known one if there is none."""
    known = presets()
    if name not in known:
        raise ConfigError(f"no published model '{name}'; {nearest(name, list(known))}")
    return known[name]
