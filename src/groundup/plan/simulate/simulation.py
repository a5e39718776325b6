"""A training step under a layout, simulated."""

import contextlib
import time
import warnings
from dataclasses import asdict, dataclass
from typing import Any

from groundup.core.errors import ConfigError
from groundup.core.units import format_bytes
from groundup.estimate.layout.counted import CountedStep
from groundup.estimate.layout.traffic import SINGLE_BYTES, Traffic
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import DEFAULT_OPTIMIZER, AttentionName, Workload
from groundup.nn.config import ModelConfig
from groundup.plan.simulate.fake import FakeTensors, fake_world
from groundup.plan.simulate.losses import LossName
from groundup.plan.simulate.neighbours import Neighbours
from groundup.plan.simulate.stepping import tracked_step
from groundup.train.held import States
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team

MOST_BLOCKS = 256
"""Blocks of a model that is simulated: each is run operation by operation, at up to a second a block."""


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
    rank: int = 0
    """Which of the ranks is looked at."""

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
    rank: int
    """Which of them was looked at."""
    elapsed_s: float
    states: States
    """Of weights, masters, gradients and moments the most that was held after a micro-batch or before the update."""
    traffic: tuple[Traffic, ...]
    """What the rank sends in a step, by collective and axes."""

    step: CountedStep | None = None
    """How long that takes, where hardware was named."""

    def as_json(self) -> dict[str, Any]:
        """Return the peak as plain numbers."""
        found: dict[str, Any] = {
            "simulated_peak": self.total,
            "simulated_components": self.components,
            "simulated_rank": self.rank,
            "simulated_states": asdict(self.states),
            "simulated_traffic": [each.as_json() for each in self.traffic],
            "simulated_s": self.elapsed_s,
        }
        return found | ({"simulated_step": self.step.as_json()} if self.step else {})

    def render(self, predicted: int) -> str:
        """Return the peak for a person, beside what formulas say of tensors alone."""
        parts = sorted(((size, name) for name, size in self.components.items() if size), reverse=True)
        listed = ", ".join(f"{name.replace('_', ' ')} {format_bytes(size)}" for size, name in parts)
        beside = f"the formulas, the margin aside, say {format_bytes(predicted)} ({predicted / self.total - 1:+.1%})"
        which = f"one rank of {self.ranks:,}" if self.rank == 0 else f"rank {self.rank:,} of {self.ranks:,}"
        lines = [f"simulated peak of tensors on {which}: {format_bytes(self.total)} ({listed}); {beside}"]
        sent = [str(each) for each in self.traffic if each.payload_bytes > SINGLE_BYTES * each.calls]
        lines += [f"sent in a step: {'; '.join(sent)}"] if sent else []
        return "\n".join([*lines, *([str(self.step)] if self.step else [])])


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
        layout, team = wanted.layout, None
        if layout.world_size > 1:
            stack.enter_context(fake_world(layout.world_size, wanted.rank))
            stack.enter_context(Neighbours(wanted.model, layout).answering())
            team = Team.of(layout, layout.precision)
        stack.enter_context(FakeTensors())
        found = tracked_step(wanted.workload, wanted.loss, team)
    elapsed_s = time.perf_counter() - start_s
    total = sum(found.peak.values())
    return SimulatedPeak(found.peak, total, layout.world_size, wanted.rank, elapsed_s, found.states, found.traffic)


def _check(wanted: Simulation) -> None:
    """Raise ConfigError for what has no simulation, with the way out."""
    layout, model = wanted.layout, wanted.model
    if wanted.num_micro_batches < 1:
        raise ConfigError(f"num_micro_batches={wanted.num_micro_batches} is no step; set it to at least 1")
    if not 0 <= wanted.rank < layout.world_size:
        raise ConfigError(f"rank={wanted.rank} is none of {layout.world_size:,}; set it to at most {layout.world_size - 1}")
    if layout.offload != "none":
        raise ConfigError(f"offload={layout.offload} is not simulated, as there is one memory; set offload=none")
    if layout.tp > 1 and wanted.loss == "whole":
        raise ConfigError(f"loss=whole with tp={layout.tp}: ranks that share the head have a loss of their own; set loss=chunked")
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
