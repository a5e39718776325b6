"""What is to be laid out: a model, its rows and batch, and the devices."""

from dataclasses import dataclass, replace
from typing import Literal

from groundup.core.errors import ConfigError
from groundup.estimate.flops import flops_per_row, recomputed_flops_per_row
from groundup.estimate.hardware import Hardware
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import COMPUTE_BYTES, DEFAULT_OPTIMIZER, AttentionName, Workload
from groundup.nn.config import ModelConfig
from groundup.train.config import Recompute, RunPrecision
from groundup.train.optim.config import OptimizerConfig

EngineName = Literal["groundup", "published"]
REDUCE_BYTES = 4
"""Gradients are summed over ranks in float32 whatever they were computed in, as the masters are."""


@dataclass(frozen=True)
class Problem:
    """One training on one kind of device; where each part lies is what is asked."""

    model: ModelConfig
    rows: RowLengths
    batch_sequences: int
    hardware: Hardware
    devices: int
    precision: RunPrecision = "bf16"
    optimizer: OptimizerConfig = DEFAULT_OPTIMIZER
    attention: AttentionName = "sdpa"
    compiled: bool = False
    sequence_parallel: bool = True
    """Whether tensor-parallel ranks divide norms, dropout and residual stream among them, too (Korthikanti et al. 2022)."""
    reduce_bytes: int = REDUCE_BYTES
    """Of each gradient where other engines sum it over ranks."""
    engine: EngineName = "groundup"
    """Whose communication it is: groundup's own, or, as papers count it, that of the software that a run was measured with."""

    def __post_init__(self) -> None:
        for name in ("batch_sequences", "devices"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: a step needs at least one; set it above 0")

    @classmethod
    def of(cls, workload: Workload, hardware: Hardware, devices: int) -> "Problem":
        """Return how to lay out the workload on so many devices; its micro-batch and what it recomputes are left open."""
        return cls(
            model=workload.model,
            rows=workload.rows,
            batch_sequences=workload.batch_sequences,
            hardware=hardware,
            devices=devices,
            precision=workload.precision,
            optimizer=workload.optimizer,
            attention=workload.attention,
            compiled=workload.compiled,
        )

    @property
    def compute_bytes(self) -> int:
        """Bytes of an element that products read and write."""
        return COMPUTE_BYTES[self.precision]

    @property
    def peak_flops_per_s(self) -> float:
        """Of one device, in the precision of the run."""
        return self.hardware.peak(self.precision)

    @property
    def tokens(self) -> int:
        """Tokens of text of a step."""
        return self.batch_sequences * self.rows.text_len

    @property
    def model_flops(self) -> float:
        """FLOPs of a step as the field counts them, nothing computed twice."""
        return float(self.batch_sequences) * flops_per_row(self.model, self.rows)

    def recomputed_flops(self, recompute: Recompute) -> float:
        """FLOPs of a step that are computed a second time."""
        again = recomputed_flops_per_row(self.model, self.rows, recompute, self.attention)
        return float(self.batch_sequences) * again

    def on(self, devices: int, batch_sequences: int | None = None) -> "Problem":
        """Return the same on another number of devices."""
        return replace(self, devices=devices, batch_sequences=batch_sequences or self.batch_sequences)
