"""The checks of a preflight, each a function that says what it found or raises Failed."""

import math
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from groundup.artifacts.build import Order
from groundup.artifacts.plan import Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.core.files import storage_errors
from groundup.core.log import say
from groundup.core.units import format_bytes, format_seconds
from groundup.nn.config import ModelConfig
from groundup.nn.device import device_memory
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.batches import BatchReader
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import TrainConfig
from groundup.train.healing.ladder import Healing
from groundup.train.keeping import Keeping
from groundup.train.loss import IGNORE
from groundup.train.memory import PeakMemory
from groundup.train.optim.table import build_optimizer
from groundup.train.state import RunState
from groundup.train.step import TrainStep

SAMPLE_TOKENS = (64, 512)
"""Text that loss, gradient and learning are checked on: less of it the larger the model."""
SAMPLE_S = 5.0
"""What these checks may take at the peak of the matrix products, about."""
FORWARD_PASSES = 24
"""That they come to, a backward pass counted as two."""
FEW_TARGETS = 8
"""A piece of a row that predicts fewer says nothing: the whole row is taken."""
FIRST_LOSS = (0.5, 1.5)
"""What the first loss may be, over that of guessing evenly."""
GRADIENT_TOLERANCE = 0.02
"""Of the directional derivative between backpropagation and differences, in float32."""
LOSS_CHANGE = 0.01
"""Nats that the weights are moved by, to either side, for the difference."""
LEARNING_STEPS, LEARNING_S = 20, 4.0
SHORT_DOCUMENT = 32
"""Documents of fewer tokens may well be equal by chance."""


@dataclass(frozen=True)
class Subject:
    """The run that is to begin."""

    config: TrainConfig
    plan: Plan
    shards: TokenShards
    batches: BatchReader
    build_model: Callable[[], Transformer]
    peak_rate: float
    device: torch.device
    order: Order
    """What a checkpoint's manifest says of its making; `out` is the run's folder."""
    tokenizer: Path
    is_whole: bool = True
    """Whether one process has room for the whole model."""

    @property
    def scratch(self) -> Path:
        """Folder for what is written to try."""
        return self.order.out / "preflight.partial"


class Failed(Exception):  # noqa: N818  a check's answer
    """What was found, and the way out."""


def checks_of(subject: Subject) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield what is looked at, in order; later checks go on with the model of the earlier ones."""
    yield "held-out text is not trained on", lambda: _disjoint(subject.shards)
    yield "a batch", lambda: _batch(subject)
    if not subject.is_whole:
        say("  preflight: the model fits on all processes together alone; what needs it whole in one of them is not checked")
        return
    peak, (_, available) = PeakMemory(subject.device), device_memory(subject.device)
    model = subject.build_model()
    sample = _sample(subject).to(subject.device)
    plain = TrainStep(model, build_optimizer(model, subject.config.optimizer), "fp32", None, subject.device)
    yield "memory of a step", lambda: _memory(subject, plain, peak, available)
    yield "first loss", lambda: _first_loss(model, plain, sample)
    yield "gradient", lambda: _gradient(model, plain, sample)
    yield "a batch can be learned", lambda: _learns(subject, plain, sample)
    yield "a checkpoint written and read back", lambda: _checkpoint(subject, plain, sample)


def _batch(subject: Subject) -> str:
    batches = subject.batches.read(0)
    vocab_size = ModelConfig.parse(subject.plan.decisions.model, "plan").vocab_size
    largest = max(int(batch.inputs.tokens.max()) for batch in batches)
    targets = sum(int((batch.targets != IGNORE).sum()) for batch in batches)
    if largest >= vocab_size:
        raise Failed(f"token {largest:,} is outside the model's vocabulary of {vocab_size:,}; encode the text again")
    if not targets:
        raise Failed("nothing is predicted in the first step; look at pretrain.objective and at the text")
    rows, length = sum(len(batch.targets) for batch in batches), batches[0].inputs.tokens.shape[1]
    return f"{rows:,} rows of {length:,} tokens, {targets:,} of them predicted"


def _sample(subject: Subject) -> Batch:
    """Return the first rows of the first micro-batch, or the beginning of the first: what can be looked at in SAMPLE_S."""
    batch, forecast = subject.batches.read(0)[0], subject.plan.forecast
    forward_s = forecast.flops_per_token / 3 / forecast.matmul_peak_flops_per_s["fp32"]
    fewest, most = SAMPLE_TOKENS
    wanted = min(most, max(fewest, int(SAMPLE_S / (FORWARD_PASSES * forward_s))))
    rows = max(1, wanted // batch.inputs.tokens.shape[1])
    if int((batch.targets[:rows, :wanted] != IGNORE).sum()) < FEW_TARGETS:
        wanted = batch.inputs.tokens.shape[1]
    return Batch(_beginning(batch.inputs, rows, wanted), batch.targets[:rows, :wanted])


def _beginning(inputs: Inputs, rows: int, length: int) -> Inputs:
    """Return so many first rows, and of each so many first tokens."""
    parts = {name: value for name, value in vars(inputs).items() if isinstance(value, Tensor)}
    source = None if inputs.source is None else _beginning(inputs.source, rows, length)
    return Inputs(**{name: value[:rows, :length] for name, value in parts.items()}, source=source)


def _mean_loss(model: Transformer, step: TrainStep, sample: Batch) -> float:
    """Return the nats a target, without dropout."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            loss: float = step.loss(sample)[1].item()
    finally:
        model.train(training)
    return loss / int((sample.targets != IGNORE).sum())


def _first_loss(model: Transformer, step: TrainStep, sample: Batch) -> str:
    loss, even = _mean_loss(model, step, sample), math.log(model.config.vocab_size)
    found = f"{loss:.3f} nats a target; guessing evenly {even:.3f}"
    low, high = FIRST_LOSS
    if not low * even <= loss <= high * even:  # also where it is no number
        raise Failed(f"{found}; look at model.init, model.init_std and model.embedding_scale")
    return found


def _gradient(model: Transformer, step: TrainStep, sample: Batch) -> str:
    """Compare the gradient along its own direction with a central difference of the loss."""
    model.eval()
    norm = step.gradient([sample]).grad_norm
    missing = [name for name, weights in model.named_parameters() if weights.grad is None]
    if not math.isfinite(norm) or norm == 0 or missing:
        raise Failed(f"norm {norm:g}; no gradient reaches {', '.join(missing[:3]) or 'the weights'}")
    move = LOSS_CHANGE / norm
    directions = [(weights, weights.grad / norm) for weights in model.parameters() if weights.grad is not None]
    step.discard()
    losses = []
    with torch.no_grad():
        for distance in (move, -2 * move, move):
            for weights, direction in directions:
                weights.add_(direction, alpha=distance)
            losses.append(_mean_loss(model, step, sample))
    model.train()
    difference = (losses[0] - losses[1]) / (2 * move)
    found = f"norm {norm:.3g}, by differences {difference:.3g}"
    if abs(difference - norm) > GRADIENT_TOLERANCE * norm:
        raise Failed(f"{found}: backpropagation is wrong, or the loss is too rough here; please report it with the recipe")
    return found


def _memory(subject: Subject, plain: TrainStep, peak: PeakMemory, available: int) -> str:
    """Take one step of the first micro-batch as the run will, at a rate of 0; `peak` and `available` are of before the model."""
    config, decisions = subject.config, subject.plan.decisions
    step = TrainStep(
        plain.model,
        plain.optimizer,
        decisions.precision,
        config.clip_norm,
        subject.device,
        config.z_loss,
        recompute=decisions.recompute,
    )
    step([subject.batches.read(0)[0]], 0.0)
    more = sum(weights.numel() * weights.element_size() for weights in plain.model.state_dict().values())
    more += sum(tensor.numel() * tensor.element_size() for tensor in _state(plain))
    rise = peak.bytes() - peak.start_bytes + (more if subject.device.type == "cpu" else 0)
    found = f"{format_bytes(rise)} more with the copy for checkpoints; {format_bytes(available)} available"
    if rise > available:
        raise Failed(f"{found}; set pretrain.micro_batch={max(1, decisions.micro_batch // 2)}, or a smaller model")
    return found


def _state(step: TrainStep) -> Iterator[Tensor]:
    """Yield the tensors of the optimizer's state."""
    for state in step.optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))


def _learns(subject: Subject, step: TrainStep, sample: Batch) -> str:
    """Train on the sample alone: its loss must fall."""
    losses: list[float] = []
    start_s = time.perf_counter()
    while len(losses) < LEARNING_STEPS and (len(losses) < 4 or time.perf_counter() - start_s < LEARNING_S):
        warmup = min(1.0, (len(losses) + 1) / 4)
        losses.append(step([sample], subject.peak_rate * warmup).loss)
    found = f"{losses[0]:.3f} nats, after {len(losses) - 1} steps on it {losses[-1]:.3f}"
    if not losses[-1] < losses[0]:
        raise Failed(f"{found}; lower pretrain.optimizer.learning_rate ({subject.peak_rate:g})")
    return found


def _checkpoint(subject: Subject, step: TrainStep, sample: Batch) -> str:
    """Write the run's state, spoil the weights, read it back."""
    root, model = subject.scratch, step.model
    assert isinstance(model, Transformer), "built above"
    run = RunState(model, step.optimizer, Healing(subject.config.healing))
    run.step = 1
    before = _mean_loss(model, step, sample)
    model_config = ModelConfig.parse(subject.plan.decisions.model, "plan")
    store = CheckpointStore(root, subject.order, model_config, subject.tokenizer, Keeping(every=1, keep=1))
    begun_s = time.perf_counter()
    with store.opened():
        store.save(run, before=lambda: None)
    written_s = time.perf_counter() - begun_s
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    store.restore(run)
    with storage_errors(root):
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        free = shutil.disk_usage(root).free + size
    kept = subject.config.keep_checkpoints + 2  # the best, and the one that is being written
    found = f"{format_bytes(size)} in {format_seconds(written_s)}; {kept:,} of them fit into {format_bytes(free)}"
    after = _mean_loss(model, step, sample)
    if after != before and not (math.isnan(after) and math.isnan(before)):
        raise Failed(f"{found}, but the loss is another one when it is read back: the disk or the memory of this machine errs")
    if kept * size > free:
        raise Failed(
            f"{format_bytes(size)} each, and only {format_bytes(free)} are free for {kept:,} of them; make room in {root.parent}"
        )
    return found


def _disjoint(shards: TokenShards) -> str:
    """Look for documents that stand, token for token, on both sides."""
    held_out: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for name, tokens, _ in shards.documents("validation"):
        if len(tokens) >= SHORT_DOCUMENT:
            held_out[len(tokens), tokens.tobytes()].append(name)
    lengths = np.array(sorted({length for length, _ in held_out}))
    both = []
    for source in shards.info.sources:
        index, stream = shards.index("train", source.name), shards.tokens("train", source.name)
        counts, starts = index["tokens"].to_numpy(), index["start"].to_numpy()
        for row in np.flatnonzero(np.isin(counts, lengths)).tolist():
            both += held_out.get((int(counts[row]), stream[starts[row] : starts[row] + counts[row]].tobytes()), [])
    count = shards.total("documents", "validation")
    if both:
        raise Failed(
            f"{len(set(both)):,} of {count:,} documents are trained on too, the first is {both[0]}; set curate.deduplicate=true"
        )
    return f"{count:,} documents, none of them among the {shards.total('documents', 'train'):,} of training"
