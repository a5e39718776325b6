"""One kind of device, as far as plans depend on it."""

from typing import Literal

from pydantic import Field, field_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError

PeakName = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "int8"]
THIS = "this"
"""The name of the machine that the plan is made on."""
_PREFERRED: tuple[PeakName, ...] = ("bf16", "fp16", "tf32", "fp32", "fp8", "int8")
PEAK_OF: dict[str, PeakName] = {"bf16_weights": "bf16"}
"""Precisions of runs that multiply in another's format."""


class Hardware(Config):
    """One device: memory, peaks of dense products, links and power. Prices are the user's: they change from week to week."""

    name: str
    title: str = Field(description="what its maker calls it")
    memory_bytes: int = Field(gt=0, description="what a process finds on it before driver and context take their part")
    peak_flops_per_s: dict[PeakName, float] = Field(description="of dense matrices, by format; int8 counts operations")
    memory_bytes_per_s: float = Field(gt=0, description="between the device and its memory")
    intra_node_bytes_per_s: float = Field(gt=0, description="from one device to others of its node, one direction")
    inter_node_bytes_per_s: float = Field(gt=0, description="a device's share of the network between nodes, one direction")
    devices_per_node: int = Field(gt=0, description="usual number of devices in a node")
    power_w: float | None = Field(default=None, gt=0, description="the most it draws; null: not published")
    sources: dict[str, str] = Field(description="field -> where its value is from")

    @field_validator("peak_flops_per_s")
    @classmethod
    def _check_peaks(cls, peaks: dict[PeakName, float]) -> dict[PeakName, float]:
        if not peaks or min(peaks.values()) <= 0:
            raise ValueError("needs at least one format, each with a speed above 0")
        return peaks

    @property
    def memory_gib(self) -> float:
        return self.memory_bytes / 2**30

    def peak(self, precision: str) -> float:
        """Return the peak FLOP/s of dense products in that precision (a format, or a run's precision).

        Raises ConfigError with the formats that the device has, if it has no such products.
        """
        peaks: dict[str, float] = {str(name): speed for name, speed in self.peak_flops_per_s.items()}
        found = peaks.get(PEAK_OF.get(precision, precision))
        if found is None:
            known = ", ".join(self.peak_flops_per_s)
            raise ConfigError(f"{self.name} has no peak for products in {precision}; it has: {known}")
        return found

    @property
    def training_precision(self) -> PeakName:
        """What training multiplies in here unless said otherwise: bf16, else fp16, else fp32."""
        return min(self.peak_flops_per_s, key=_PREFERRED.index)
