"""The plan: what will be trained, decided and frozen before the first step."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from groundup.artifacts.artifact import Artifact
from groundup.core.config import Config
from groundup.core.files import read_object

PLAN_FILE = "plan.json"
FORECAST_FILE = "forecast.json"


class Decisions(Config):
    """What the training run is made from: part of the content hash."""

    model: dict[str, int | float | str | bool | None]
    """Fields of groundup.nn.config.ModelConfig."""
    steps: int
    batch_tokens: int
    micro_batch: int
    seq_len: int
    precision: Literal["fp32", "bf16", "bf16_weights", "fp16"]
    attention: Literal["sdpa", "matmul"]
    compiled: bool = False
    """Whether blocks and loss run as kernels of torch.compile."""
    recompute: Literal["none", "selective", "full"] = "none"
    """What of the blocks is computed again in the backward pass instead of being kept."""
    device: str
    """A torch device type: 'cpu', 'cuda' or 'mps'."""
    num_threads: int
    checkpoint_steps: int
    minutes: float | None = None
    """What the training loop may take, if it must end in time."""


class Amounts(Config):
    """What a run takes: foreseen, or measured."""

    growth_bytes: float
    """Peak memory over what the process holds without the model."""
    step_s: float
    """Of the median step."""
    beside_s: float
    """Of the training loop, what is not whole steps of that length: compiling, checkpoints, evaluation."""
    loss: float | None = None
    """Nats per target on held-out text at the end."""


Amount = Literal["growth_bytes", "step_s", "beside_s", "loss"]


class Correction(Config):
    """What earlier runs of this machine say of a forecast."""

    what: Amount
    way: Literal["factor", "offset"]
    """What `value` does to the forecast: multiply it, or add to it."""
    value: float
    runs: int
    """That it rests on."""
    alike: str
    """What they have in common with this one."""
    error_before: float
    """Mean distance of their forecasts from what was measured, as a share of that."""
    error_after: float
    """The same, each forecast corrected by what the other runs say."""

    def applied(self, amount: float) -> float:
        return amount * self.value if self.way == "factor" else max(0.0, amount + self.value)


class Calibrated(Config):
    """How far a forecast rests on earlier runs of this machine."""

    runs: int
    """Of this machine that were known."""
    plain: Amounts
    """What the formulas and probes say by themselves."""
    plain_train_s: float
    whole_steps: float
    """Steps of whole batches and full rows that take as long as the run's steps."""
    corrections: tuple[Correction, ...] = ()


class Forecast(Config):
    """What the plan expects; depends on the machine's speed today, so it is not part of the content hash."""

    params: int
    """All parameters, the embedding once if tied."""
    tokens: int
    """Tokens that training sees, repeats included."""
    unique_tokens: int
    epochs: float
    tokens_per_param: float
    flops: float
    """6 N tokens + attention; see estimate/flops.py."""
    flops_per_token: float
    memory_bytes: dict[str, int]
    """Peak by component; 'total' is their sum."""
    step_s: float
    train_s: float
    matmul_peak_flops_per_s: dict[str, float]
    """Measured on this machine, by what matrices are multiplied in: fp32, bf16, fp16."""
    mfu: float
    """Expected FLOP/s over the measured matmul peak of the precision."""
    loss: float | None
    """Predicted nats per token at the end, where a law applies."""
    why: tuple[str, ...]
    """How each choice was derived, in words."""
    calibrated: Calibrated | None = None
    """None where the recipe leaves it out."""
    processes: int = 1
    """That the forecast is for; memory is that of the fullest."""
    layout: dict[str, Any] | None = None
    """How training lies on many processes: keys of groundup.train.parallel.config.Layout."""
    hardware: dict[str, Any] | None = None
    """The accelerator that each of many processes has: fields of groundup.estimate.hardware.Hardware."""

    @property
    def growth_bytes(self) -> int:
        """Peak memory over what the process holds without the model."""
        total = self.memory_bytes.get("total") or sum(self.memory_bytes.values())
        return total - self.memory_bytes.get("process", 0)


@dataclass(frozen=True)
class Plan(Artifact):
    """The plan stage's artifact."""

    kind: ClassVar[str] = "plan"

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions.parse(read_object(self.path / PLAN_FILE), str(self.path / PLAN_FILE))

    @cached_property
    def forecast(self) -> Forecast:
        return Forecast.parse(read_object(self.path / FORECAST_FILE), str(self.path / FORECAST_FILE))
