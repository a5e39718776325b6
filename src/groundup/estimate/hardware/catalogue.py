"""The devices that plans know, by name."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.estimate.hardware.device import THIS, Hardware

FILE = Path(__file__).parent / "catalogue.yaml"
GIB = 2**30
_MAKERS = ("nvidia", "geforce", "tesla", "amd", "instinct", "google", "cloud", "gb", "gpu")


@cache
def catalogue() -> dict[str, Hardware]:
    """Return all devices by name, in the order of the table."""
    return {name: _hardware(name, facts) for name, facts in _devices().items()}


def find_hardware(name: str) -> Hardware:
    """Return the device of that name, however it is written ('A100-SXM4-80GB', 'a100_80gb'); ConfigError with the nearest if none.

    The machine that asks ('this') is not in the table: `plan.hardware.named_hardware` measures it.
    """
    known = _names()
    found = known.get(_words(name))
    if found is None:
        spelled = [*catalogue(), *(alias for facts in _devices().values() for alias in facts.get("aliases", ())), THIS]
        raise ConfigError(f"no hardware '{name}'; {nearest(name.strip().lower(), spelled)} ('groundup plan hardware' lists all)")
    return catalogue()[found]


@cache
def _devices() -> dict[str, dict[str, Any]]:
    """Return the facts of each device, those of its family filled in."""
    families = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {
        name: {**facts["shared"], **own, "sources": {**facts["sources"], **own.get("sources", {})}}
        for facts in families.values()
        for name, own in facts["devices"].items()
    }


@cache
def _names() -> dict[frozenset[str], str]:
    """Return the words of every name and alias with the name that the table has for it."""
    return {_words(word): name for name, facts in _devices().items() for word in (name, *facts.get("aliases", ()))}


def _words(name: str) -> frozenset[str]:
    """Return the words of a name without its maker and the unit of its memory, in no order."""
    parts = re.split(r"[\s_-]+", name.strip().lower())
    plain = (re.sub(r"^(\d+)gb$", r"\1", re.sub(r"^sxm\d$", "sxm", part)) for part in parts)
    return frozenset(part for part in plain if part and part not in _MAKERS)


def _hardware(name: str, facts: dict[str, Any]) -> Hardware:
    sources, links = facts["sources"], facts["links_bytes_per_s"]
    return Hardware(
        name=name,
        title=facts["title"],
        memory_bytes=round(facts["memory_gib"] * GIB),
        peak_flops_per_s=facts["peaks"],
        memory_bytes_per_s=facts["memory_bytes_per_s"],
        intra_node_bytes_per_s=links["intra"],
        inter_node_bytes_per_s=links["inter"],
        devices_per_node=facts["devices_per_node"],
        power_w=facts["power_w"],
        sources={
            "memory_bytes": facts["memory_source"],
            "peak_flops_per_s": sources["peaks"],
            "memory_bytes_per_s": sources["memory_bytes_per_s"],
            "intra_node_bytes_per_s": sources["intra"],
            "inter_node_bytes_per_s": sources["inter"],
            "devices_per_node": sources["devices_per_node"],
            "power_w": sources["power_w"],
        },
    )
