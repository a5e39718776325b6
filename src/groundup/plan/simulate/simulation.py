"""A training step under a layout, simulated."""

import contextlib
import time
import warnings
from dataclasses import dataclass
from typing import Any

from groundup.core.errors import ConfigError
from groundup.core.units import format_bytes
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import DEFAULT_OPTIMIZER, AttentionName, Workload
from groundup.nn.config import ModelConfig
from groundup.plan.simulate.fake import FakeTensors, fake_world
from groundup.plan.simulate.losses import LossName
from groundup.plan.simulate.stepping import tracked_step
from groundup.plan.simulate.wrapping import shard_mesh
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout

MOST_BLOCKS = 256
"""Blocks of a model that is simulated: each is run operation by operation, at up to a second a block."""
BY_ENTRY = ("adam", "adamw", "lion")
"""Optimizers that update a shard without the rest of its tensor."""


@dataclass(frozen=True)
class Simulation:
    """What is simulated."""

    model: ModelConfig
    layout: Layout
    rows: RowLengths
    optimizer: OptimizerConfig = DEFAULT_OPTIMIZER
    attention: AttentionName = "sdpa"
    loss: LossName = "chunked"
    """'chunked': groundup's own; 'whole': torch's cross-entropy of all logits at once, as most of the field takes it."""
    num_micro_batches: int = 2
    """Of a step on each data-parallel rank; from two on, gradients are there while activations are."""
    document_mask: bool = False
    """Whether attention is held within documents."""

    @property
    def workload(self) -> Workload:
        """What one rank does."""
        layout = self.layout
        return Workload(
            self.model,
            layout.precision,
            self.attention,
            layout.micro_batch,
            layout.micro_batch * self.num_micro_batches,
            self.rows,
            self.document_mask,
            self.optimizer,
            recompute=layout.recompute,
        )


@dataclass(frozen=True)
class SimulatedPeak:
    """The most bytes that one rank held at once."""

    components: dict[str, int]
    """By component at that moment; their sum is `total`."""
    total: int
    ranks: int
    elapsed_s: float

    def as_json(self) -> dict[str, Any]:
        """Return the peak as plain numbers."""
        return {"simulated_peak": self.total, "simulated_components": self.components, "simulated_s": self.elapsed_s}

    def render(self, predicted: int) -> str:
        """Return the peak for a person, beside what formulas say of tensors alone."""
        parts = sorted(((size, name) for name, size in self.components.items() if size), reverse=True)
        listed = ", ".join(f"{name.replace('_', ' ')} {format_bytes(size)}" for size, name in parts)
        beside = f"the formulas, the margin aside, say {format_bytes(predicted)} ({predicted / self.total - 1:+.1%})"
        return f"simulated peak of tensors on one rank of {self.ranks:,}: {format_bytes(self.total)} ({listed}); {beside}"


def simulate(wanted: Simulation) -> SimulatedPeak:
    """Take a step of the real model, loss and optimizer with tensors that have no numbers; return the peak of what a rank holds.

    Seen is every tensor that an operation makes, the kernels being those of a CPU. Not seen is what kernels take within themselves,
    the room that an allocator leaves between blocks, and the context of a device and of its communication library.
    Raises ConfigError for what cannot be simulated.
    """
    _check(wanted)
    start_s = time.perf_counter()
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        warnings.simplefilter("ignore")  # torch's, about parts of its own
        mesh = None
        if wanted.layout.dp > 1:
            stack.enter_context(fake_world(wanted.layout.dp))
            mesh = shard_mesh(wanted.layout) if wanted.layout.zero == 3 else None
        stack.enter_context(FakeTensors())
        peak = tracked_step(wanted.workload, wanted.loss, wanted.layout.dp > 1, mesh)
    return SimulatedPeak(peak, sum(peak.values()), wanted.layout.world_size, time.perf_counter() - start_s)


def _check(wanted: Simulation) -> None:
    """Raise ConfigError for what has no simulation, with the way out."""
    layout, model = wanted.layout, wanted.model
    if wanted.num_micro_batches < 1:
        raise ConfigError(f"num_micro_batches={wanted.num_micro_batches} is no step; set it to at least 1")
    split = [f"{axis}={getattr(layout, axis)}" for axis in ("tp", "pp", "cp") if getattr(layout, axis) > 1]
    if split:
        raise ConfigError(
            f"{', '.join(split)}: only data parallelism (dp, with zero=0 or zero=3) is simulated yet; leave --simulate out, "
            "the formulas know the other axes"
        )
    if layout.zero in (1, 2) and layout.dp > 1:
        raise ConfigError(f"zero={layout.zero} with dp={layout.dp} is not simulated yet; simulate zero=0 or zero=3 beside it")
    if layout.offload != "none":
        raise ConfigError(f"offload={layout.offload} is not simulated, as there is one memory; set offload=none")
    if layout.precision == "bf16_weights" and layout.dp > 1:
        raise ConfigError(
            f"precision=bf16_weights with dp={layout.dp} is not simulated: sharded weights are float32 and gathered in bfloat16 "
            "with precision=bf16; set that, or dp=1"
        )
    if layout.zero == 3 and layout.dp > 1 and wanted.optimizer.name not in BY_ENTRY:
        raise ConfigError(
            f"optimizer={wanted.optimizer.name} with zero=3 is not simulated: it updates whole matrices, of which a rank has a "
            f"part; set one of {', '.join(BY_ENTRY)}, or zero=0"
        )
    num_blocks = model.num_layers + model.num_encoder_layers
    if num_blocks > MOST_BLOCKS:
        raise ConfigError(
            f"{num_blocks:,} blocks are run one by one, and at most {MOST_BLOCKS} are simulated; simulate fewer (num_layers), as "
            "what is kept grows in a straight line"
        )
    longest = max(wanted.rows.read_len, wanted.rows.target_len)
    if longest > model.max_seq_len:
        raise ConfigError(
            f"rows of {longest:,} tokens are longer than the model's max_seq_len={model.max_seq_len:,}; lower seq_len"
        )
