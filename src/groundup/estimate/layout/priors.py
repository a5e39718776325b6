"""What published runs say of how much of a device's peak a step reaches."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

FILE = Path(__file__).parent / "priors.yaml"


@dataclass(frozen=True)
class Priors:
    """Constants of the step time, fitted on published throughput (`benchmarks/planning/fit_priors.py`)."""

    products: float
    """Time of products with weights over that at the peak."""
    scores: float
    """Time of attention's products over that at the peak, the whole square counted."""
    traffic: float
    """Times that each kept byte passes the device's memory in a step."""
    weights: float
    """Bytes that pass the memory for each parameter in a micro-batch: it is read, and its gradient is added to the others."""
    logits: float
    """Times that the logits pass the memory."""
    fused: float
    """What a compiled step leaves of `traffic`."""
    recomputed: float
    """Time of what is computed again, over the same share of the first time."""
    exposed: float
    """Share of data-parallel communication that no computing hides."""
    devices: dict[str, float]
    """Family of devices -> factor of `products` and `scores`, for families with published runs."""
    low: float
    high: float
    """Measured over predicted speed: 90 % of the rows of families left out of the fit lie between."""
    unknown_low: float
    """The lower bound on devices of a family without published runs: that of the family which was worst while left out."""

    def factor(self, hardware: str) -> float:
        """Return the device's factor; 1 for families without a published run."""
        return self.devices.get(_family(hardware), 1.0)

    def interval(self, hardware: str) -> tuple[float, float]:
        """Return the bounds of measured over predicted speed."""
        return (self.low if self.knows(hardware) else self.unknown_low), self.high

    def knows(self, hardware: str) -> bool:
        """Whether runs on devices of this family were in the fit."""
        return _family(hardware) in self.devices


def _family(hardware: str) -> str:
    return hardware.partition("-")[0]


@cache
def priors_file() -> dict[str, Any]:
    """Return the shipped fit with its sources, rows and errors."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


@cache
def shipped_priors() -> Priors:
    """Return the constants that plans use."""
    facts = priors_file()
    return Priors(**facts["constants"], devices=facts["devices"], **facts["interval"])


LINK_SHARE = 0.8
"""Of a link's stated bandwidth that collectives reach: 235 of 300 GB/s with NCCL on eight A100 (assumed of all links)."""
HOP_S: Final = {"intra": 3.4e-6, "inter": 14e-6}
"""What a step of a ring takes beside its bytes, within a node and between nodes (NCCL's tuning model, protocol Simple)."""
