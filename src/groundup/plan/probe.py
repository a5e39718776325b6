"""Time real training steps of models other than the one to be trained."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from groundup.core.seeds import derive_seed
from groundup.estimate.workload import Workload
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.plan.machine import synchronize
from groundup.train.batch import Batch
from groundup.train.config import TrainConfig
from groundup.train.libraries import settled_bytes
from groundup.train.loss import IGNORE
from groundup.train.loss_scale import MINIMUM
from groundup.train.memory import PeakMemory
from groundup.train.optim.table import build_optimizer
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import TrainStep


class Stepping(ABC):
    """Times training configurations other than the one that is planned."""

    @abstractmethod
    def step_seconds(self, workloads: Sequence[Workload], seconds: float) -> list[float]:
        """Return the time of one optimizer step of each workload, spending about `seconds`."""


class Probe(Stepping):
    """Measures their memory, too."""

    @abstractmethod
    def memory_growth(self, workload: Workload) -> int:
        """Return by how many bytes training the workload raises the peak memory of the process."""

    @abstractmethod
    def held_bytes(self) -> int:
        """Return what the process holds by now of the memory that tensors live in, training apart."""


WARMUP_STEPS = 2
MEMORY_STEPS = 5
"""The second step is the first with optimizer states; most heaps have settled by the fourth (4 % more came after the third)."""
MIN_ROUNDS = 3
MAX_ROUNDS = 15
_DOCUMENT_TOKENS = 150
"""Length of the documents in a probe's batch, when attention is held within documents."""


class StepProbe(Probe):
    """Real optimizer steps on made-up tokens, the workloads in turn so that a busy moment hits all alike."""

    def __init__(self, train: TrainConfig, device: torch.device) -> None:
        self._train = train
        self._device = device

    def step_seconds(self, workloads: Sequence[Workload], seconds: float) -> list[float]:
        """Return the lower quartile of the times of one optimizer step of each workload, after warm-up.

        A neighbour's burst of work makes steps many times slower on a CPU; the quartile forgives it for most of the probe.
        """
        return quartiles([prepared(workload, self._train, self._device) for workload in workloads], seconds, self._device)

    def memory_growth(self, workload: Workload) -> int:
        """Return by how many bytes a few steps of the workload raise the peak memory of the process, over a settled one."""
        start_bytes = settled_bytes(self._device)
        peak = PeakMemory(self._device)
        step = prepared(workload, self._train, self._device)
        for _ in range(MEMORY_STEPS):
            step()
        return peak.bytes() - start_bytes

    def held_bytes(self) -> int:
        """Return the settled resident memory; 0 for a CUDA card, which has a memory of its own."""
        return 0 if self._device.type == "cuda" else settled_bytes(torch.device("cpu"))


def quartiles(steps: Sequence[Callable[[], None]], seconds: float, device: torch.device, ranks: Ranks = ALONE) -> list[float]:
    """Return the lower quartile of the times of each step, after warm-up; all `ranks` take them together, as often as the first."""
    for step in steps:
        for _ in range(WARMUP_STEPS):
            step()
    times_s: list[list[float]] = [[] for _ in steps]
    start_s = time.perf_counter()

    def goes_on() -> bool:
        rounds, has_time = len(times_s[0]), time.perf_counter() - start_s < seconds
        return bool(ranks.agreed(rounds < MIN_ROUNDS or (has_time and rounds < MAX_ROUNDS)))

    while goes_on():
        for step, times in zip(steps, times_s, strict=True):
            times.append(_timed(step, device))
    return [sorted(times)[len(times) // 4] for times in times_s]


def _timed(step: Callable[[], None], device: torch.device) -> float:
    start_s = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - start_s


def prepared(
    workload: Workload,
    train: TrainConfig,
    device: torch.device,
    ranks: Ranks = ALONE,
    arrange: Callable[[Transformer], Transformer] | None = None,
) -> Callable[[], None]:
    """Return a step of the workload on a new model, which `arrange` lays out on the ranks."""
    model = build_model(workload.model, workload.attention)
    model.init_weights(torch.Generator().manual_seed(derive_seed(0, "probe")))
    model.to(device)
    model = model if arrange is None else arrange(model)
    optimizer = build_optimizer(model, train.optimizer)
    train_step = TrainStep(
        model,
        optimizer,
        workload.precision,
        train.clip_norm,
        device,
        train.z_loss,
        train.clip_value,
        workload.compiled,
        workload.recompute,
        ranks=ranks,
    )
    if train_step.loss_scale:
        train_step.loss_scale.value = MINIMUM  # no step is to be skipped
    batch = made_up_batch(workload)

    def step() -> None:
        train_step([batch] * workload.num_micro_batches, train.optimizer.peak(workload.model))

    return step


def made_up_batch(workload: Workload) -> Batch:
    """Return a micro-batch of tokens drawn at random, in documents where the workload has a document mask."""
    generator = torch.Generator().manual_seed(derive_seed(0, "probe-batch"))
    rows = workload.rows
    inputs = _made_up_inputs(workload, rows.target_len, generator)
    if workload.model.num_encoder_layers:
        inputs = replace(inputs, source=_made_up_inputs(workload, rows.read_len, generator))
    targets = torch.randint(workload.model.vocab_size, inputs.tokens.shape, generator=generator)
    if rows.predicted_len < rows.target_len:
        targets[:, rows.predicted_len :] = IGNORE
    return Batch(inputs, targets)


def _made_up_inputs(workload: Workload, length: int, generator: torch.Generator) -> Inputs:
    tokens = torch.randint(workload.model.vocab_size, (workload.micro_batch, length), generator=generator)
    if not workload.document_mask:
        return Inputs(tokens)
    return Inputs(tokens, (torch.arange(length) // _DOCUMENT_TOKENS).repeat(workload.micro_batch, 1))
