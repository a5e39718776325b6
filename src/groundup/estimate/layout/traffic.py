"""What a rank sends in one kind of collective, and how long that takes."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from groundup.core.units import format_bytes
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.links import Links

Collective = Literal["all_reduce", "all_gather", "reduce_scatter", "broadcast", "all_to_all", "send"]
Purpose = Literal["tp", "cp", "pp", "dp"]
"""Whose work it is part of: what tensor-, context- and pipeline-parallel ranks hand each other, or what is of weights and gradients
of ranks that read different text."""
SINGLE_BYTES: Final = 1024
"""Numbers by themselves, like a norm or a count: they go by a tree, and take no time beside the rest."""


@dataclass(frozen=True)
class Traffic:
    """Calls of one collective along some axes of the mesh."""

    collective: Collective
    axes: tuple[str, ...]
    """Along which the ranks of the group differ, of those of the mesh."""
    purpose: Purpose
    size: int
    """Ranks of the group."""
    stride: int
    """How far apart two neighbours of it are, ranks being numbered."""
    calls: int
    payload_bytes: int
    """What is reduced, gathered, scattered or sent, whole."""

    def and_more(self, payload_bytes: int, calls: int = 1) -> "Traffic":
        """Return it with more calls."""
        return replace(self, calls=self.calls + calls, payload_bytes=self.payload_bytes + payload_bytes)

    @property
    def wire_bytes(self) -> float:
        """What each rank puts on its link in a ring: 2 (n - 1) / n of what is reduced, (n - 1) / n of what is gathered."""
        if self.collective in ("send", "broadcast"):
            return float(self.payload_bytes)
        times = 2 if self.collective == "all_reduce" else 1
        return times * self.payload_bytes * (self.size - 1) / self.size

    def seconds(self, hardware: Hardware) -> float:
        """Return the time that it takes by itself: bytes over the bandwidth of the links, and the ring's hops for each call."""
        if self.payload_bytes <= SINGLE_BYTES * self.calls:
            return 0.0
        links = Links(hardware, np.array([self.size]), np.array([self.stride]))
        if self.collective == "send":
            return self.calls * float(links.send_s(self.payload_bytes / self.calls)[0])
        taken = links.reduce_s if self.collective == "all_reduce" else links.gather_s
        return float(taken(float(self.payload_bytes), self.calls)[0])

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "wire_bytes": self.wire_bytes}

    def __str__(self) -> str:
        """Return it in words."""
        calls = f"{self.calls:,} x {self.collective.replace('_', ' ')}"
        return f"{calls} along {'+'.join(self.axes)} ({self.size:,} ranks) {format_bytes(self.payload_bytes)}"
