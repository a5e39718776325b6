"""From settings, text and machine to decisions: shape, kernels, batch split, steps."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from groundup.artifacts.plan import Decisions, Forecast
from groundup.core.errors import BudgetError
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.estimate.flops import flops_per_token
from groundup.estimate.laws import LAW, effective_tokens
from groundup.estimate.memory import AttentionName, Workload, training_memory
from groundup.estimate.parameters import total_parameters
from groundup.nn.config import ModelConfig
from groundup.plan.config import PlanConfig
from groundup.plan.machine import BF16_WORTH_IT, Machine, RunPrecision
from groundup.plan.probe import Probe
from groundup.plan.shapes import family
from groundup.train.config import TrainConfig

MATMUL_MAX_SEQ_LEN = 512
"""Longest sequence at which materialised scores beat the fused CPU kernel in bf16."""
KERNEL_MARGIN = 0.15
"""A measured difference below this does not overturn the rule: noise must not decide what is trained."""
MICRO_BATCH_TOKENS = 2048
"""Fewer tokens in a backward pass lose speed on a CPU, more only cost memory."""
MEMORY_SHARE = 0.85
"""Of the memory available, what a plan may fill."""
MIN_STEPS = 10
"""Fewer optimizer steps than this train nothing."""
CHECKPOINT_INTERVAL_S = 30.0
CHECKPOINT_BYTES_PER_S = 3e8
"""Writing, hashing and syncing a checkpoint on an ordinary disk."""
CHECKPOINT_FIXED_S = 0.1
MFU_LIMIT = {"fp32": 0.75, "bf16": 0.45}
MFU_HALF_WIDTH = {"fp32": 90.0, "bf16": 220.0}
"""Prior of the MFU of an eager step before anything is timed: limit x dim / (dim + half width)."""
KERNEL_PROBE_S = 4.0
DEPTH_PROBE_S = 10.0
PROBE_MICRO_BATCHES = 4
"""More micro-batches a step than this are timed as this many, in proportion."""


@dataclass(frozen=True)
class Situation:
    """What is given: the text, the machine and the process."""

    vocab_size: int
    unique_tokens: int
    machine: Machine
    device: str
    process_bytes: int
    """Resident memory of this process with its libraries loaded and nothing of the model."""


def derive(config: PlanConfig, situation: Situation, probe: Probe) -> tuple[Decisions, Forecast]:
    """Return what to train and what it will take; `probe` is only given configurations other than the one chosen.

    Raises BudgetError if it does not fit in memory or in the time.
    """
    why: list[str] = []
    precision = _precision(config.pretrain, situation, why)
    candidates = [
        _workload(model, config.pretrain, situation, precision)
        for model in family(config.model, situation.vocab_size, config.pretrain.seq_len)
    ]
    workload = _choose_shape(config, situation, candidates, why)
    workload = _choose_attention(config.pretrain, workload, probe, why)
    step_s = _step_seconds(workload, probe, why)
    checkpoint_steps, steps, train_s = _lengths(config, workload, step_s, why)
    decisions = Decisions(
        model=workload.model.model_dump(),
        steps=steps,
        batch_tokens=config.pretrain.batch_tokens,
        micro_batch=workload.micro_batch,
        seq_len=workload.seq_len,
        precision=workload.precision,
        attention=workload.attention,
        device=situation.device,
        num_threads=situation.machine.num_threads,
        checkpoint_steps=checkpoint_steps,
    )
    return decisions, _forecast(workload, situation, steps, step_s, train_s, why)


def _precision(train: TrainConfig, situation: Situation, why: list[str]) -> RunPrecision:
    if train.precision != "auto":
        why.append(f"precision {train.precision}: as the recipe says.")
        return train.precision
    peaks = situation.machine.matmul_peak_flops_per_s
    ratio = peaks["bf16"] / peaks["fp32"]
    precision: RunPrecision = "bf16" if ratio > BF16_WORTH_IT else "fp32"
    why.append(
        f"precision {precision}: bf16 multiplies matrices {ratio:.2g} times as fast as fp32 here "
        f"({_speeds(situation.machine)}); bf16 is taken above {BF16_WORTH_IT}."
    )
    return precision


def _workload(model: ModelConfig, train: TrainConfig, situation: Situation, precision: RunPrecision) -> Workload:
    """Return the candidate with the batch split and attention kernel that the rules give."""
    fused = precision == "fp32" or train.seq_len > MATMUL_MAX_SEQ_LEN or situation.device != "cpu"
    attention: AttentionName = train.attention if train.attention != "auto" else "sdpa" if fused else "matmul"
    return Workload(
        model=model,
        precision=precision,
        attention=attention,
        micro_batch=train.micro_batch or _micro_batch(train),
        batch_sequences=train.batch_sequences,
        seq_len=train.seq_len,
        document_mask=train.document_mask,
    )


def _micro_batch(train: TrainConfig) -> int:
    """Return the smallest even split of the batch that keeps MICRO_BATCH_TOKENS in a backward pass."""
    splits = [number for number in range(1, train.batch_sequences + 1) if train.batch_sequences % number == 0]
    return next((number for number in splits if number * train.seq_len >= MICRO_BATCH_TOKENS), splits[-1])


def _choose_shape(config: PlanConfig, situation: Situation, candidates: list[Workload], why: list[str]) -> Workload:
    fitting = [candidate for candidate in candidates if _fits(candidate, situation)]
    if not fitting:
        raise BudgetError(_too_large(candidates[0], situation, config))
    if config.budget is None or config.model.dim is not None:
        why.append(f"model: {_describe(fitting[0].model)}, as the recipe says.")
        return fitting[0]
    seconds = config.budget.minutes * 60
    losses = [_predicted_loss(candidate, situation, seconds) for candidate in fitting]
    best = losses.index(min(losses))
    tokens = seconds * _prior_speed(fitting[best], situation)
    table = ", ".join(
        f"{format_count(total_parameters(candidate.model))}: {loss:.2f}" for candidate, loss in zip(fitting, losses, strict=True)
    )
    why.append(
        f"model: {_describe(fitting[best].model)}, the lowest predicted loss of the family in {format_seconds(seconds)} "
        f"({table} nats). The prediction: about {format_count(tokens)} tokens at the speed expected of this width, worth "
        f"{format_count(effective_tokens(tokens, situation.unique_tokens))} fresh ones as there are "
        f"{format_count(situation.unique_tokens)} of text; {LAW.source}."
    )
    return fitting[best]


def _fits(workload: Workload, situation: Situation) -> bool:
    need = training_memory(workload, situation.process_bytes)["total"] - situation.process_bytes
    return need <= MEMORY_SHARE * situation.machine.available_bytes


def _too_large(workload: Workload, situation: Situation, config: PlanConfig) -> str:
    need = training_memory(workload, situation.process_bytes)["total"] - situation.process_bytes
    limit = int(MEMORY_SHARE * situation.machine.available_bytes)
    free_size = config.model.model_copy(update={"dim": None, "num_layers": None, "num_heads": None, "ffn_dim": None})
    smaller = [
        replace(workload, model=model, micro_batch=micro_batch)
        for micro_batch in sorted({workload.micro_batch, 1}, reverse=True)
        for model in reversed(family(free_size, situation.vocab_size, workload.seq_len))
    ]
    fitting = next((candidate for candidate in smaller if _fits(candidate, situation)), None)
    way_out = (
        f"the largest of the family that fits: model.dim={fitting.model.dim}, model.num_layers={fitting.model.num_layers}, "
        f"pretrain.micro_batch={fitting.micro_batch}"
        if fitting
        else "free some memory, or lower pretrain.seq_len and tokenizer.vocab_size"
    )
    return (
        f"model: {_describe(workload.model)} with pretrain.micro_batch={workload.micro_batch} x {workload.seq_len} tokens needs "
        f"{format_bytes(need)} of memory; {format_bytes(limit)} may be used ({MEMORY_SHARE:.0%} of what is available); {way_out}"
    )


def _predicted_loss(workload: Workload, situation: Situation, seconds: float) -> float:
    tokens = effective_tokens(seconds * _prior_speed(workload, situation), situation.unique_tokens)
    return LAW.loss(total_parameters(workload.model), tokens)


def _prior_speed(workload: Workload, situation: Situation) -> float:
    """Return the tokens per second expected before anything is timed."""
    dim = workload.model.dim
    mfu = MFU_LIMIT[workload.precision] * dim / (dim + MFU_HALF_WIDTH[workload.precision])
    peak = situation.machine.matmul_peak_flops_per_s[workload.precision]
    return mfu * peak / flops_per_token(workload.model, workload.seq_len)


def _choose_attention(train: TrainConfig, workload: Workload, probe: Probe, why: list[str]) -> Workload:
    """Keep the rule's kernel unless the other is clearly faster in a step of one layer (or two, if the model has one)."""
    if train.attention != "auto":
        why.append(f"attention {workload.attention}: as the recipe says.")
        return workload
    other: AttentionName = "matmul" if workload.attention == "sdpa" else "sdpa"
    depth = 2 if workload.model.num_layers == 1 else 1
    rule_s, other_s = probe([_at_depth(workload, depth), _at_depth(replace(workload, attention=other), depth)], KERNEL_PROBE_S)
    chosen = other if other_s < rule_s * (1 - KERNEL_MARGIN) else workload.attention
    why.append(
        f"attention {chosen}: a step of {depth} layer(s) took {format_seconds(rule_s)} with {workload.attention}, the rule for "
        f" {workload.precision} at {workload.seq_len} tokens, and {format_seconds(other_s)} with {other}; "
        f"a gain of {KERNEL_MARGIN:.0%} overturns the rule."
    )
    return replace(workload, attention=chosen)


def _step_seconds(workload: Workload, probe: Probe, why: list[str]) -> float:
    """Return the time of an optimizer step, on the line through two other depths of the same widths."""
    layers = workload.model.num_layers
    shallow, deep = next(pair for pair in ((1, 3), (2, 4), (1, 2)) if layers not in pair)
    shallow_s, deep_s = probe([_at_depth(workload, shallow), _at_depth(workload, deep)], DEPTH_PROBE_S)
    layer_s = max(0.0, deep_s - shallow_s) / (deep - shallow)
    scale = workload.num_micro_batches / min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    step_s = scale * max(shallow_s + (layers - shallow) * layer_s, layers / deep * min(shallow_s, deep_s) if layers < deep else 0)
    why.append(
        f"step time {format_seconds(step_s)}: steps of {shallow} and {deep} layers of these widths "
        f"took {format_seconds(shallow_s)} and {format_seconds(deep_s)}; {layers} layers on the line through them. The model itself has not been stepped."
    )
    return step_s


def _at_depth(workload: Workload, num_layers: int) -> Workload:
    sequences = workload.micro_batch * min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    model = workload.model.model_copy(update={"num_layers": num_layers})
    return replace(workload, model=model, batch_sequences=sequences)


def _lengths(config: PlanConfig, workload: Workload, step_s: float, why: list[str]) -> tuple[int, int, float]:
    """Return (steps between checkpoints, steps, seconds of the whole run with its checkpoints)."""
    checkpoint_s = CHECKPOINT_FIXED_S + 12 * total_parameters(workload.model) / CHECKPOINT_BYTES_PER_S
    interval = config.pretrain.checkpoint_steps or _round_steps(CHECKPOINT_INTERVAL_S / step_s)
    paid_s = step_s + checkpoint_s / interval
    if config.budget is None:
        assert config.pretrain.steps is not None, "PlanConfig asks for one of the two"
        steps = config.pretrain.steps
        why.append(f"steps {steps:,}: as the recipe says.")
    else:
        steps = int(config.budget.minutes * 60 / paid_s)
        if steps < MIN_STEPS:
            raise BudgetError(_too_short(config.budget.minutes, workload, paid_s, steps))
        why.append(
            f"steps {steps:,}: {format_seconds(config.budget.minutes * 60)} at {format_seconds(step_s)} a step and "
            f"{format_seconds(checkpoint_s)} for a checkpoint every {interval:,} steps."
        )
    return min(interval, steps), steps, steps * step_s + math.ceil(steps / interval) * checkpoint_s


def _round_steps(steps: float) -> int:
    """Return the power of two near `steps`, so that small differences in speed give the same plan."""
    return int(2 ** max(0, round(math.log2(max(steps, 1)))))


def _too_short(minutes: float, workload: Workload, paid_s: float, steps: int) -> str:
    needed = math.ceil(MIN_STEPS * paid_s / 60 * 1000 + 1) / 1000
    return (
        f"budget.minutes={minutes:g} buys {steps} steps of {format_seconds(paid_s)} with {_describe(workload.model)}; "
        f"{MIN_STEPS} are the least that train anything: set budget.minutes to {needed:g} or more, or lower pretrain.batch_tokens "
        f"({workload.batch_sequences * workload.seq_len:,})"
    )


def _forecast(workload: Workload, situation: Situation, steps: int, step_s: float, train_s: float, why: Iterable[str]) -> Forecast:
    params = total_parameters(workload.model)
    batch_tokens = workload.batch_sequences * workload.seq_len
    tokens = steps * batch_tokens
    per_token = flops_per_token(workload.model, workload.seq_len)
    peak = situation.machine.matmul_peak_flops_per_s[workload.precision]
    return Forecast(
        params=params,
        tokens=tokens,
        unique_tokens=situation.unique_tokens,
        epochs=tokens / situation.unique_tokens,
        tokens_per_param=tokens / params,
        flops=float(per_token * tokens),
        flops_per_token=per_token,
        memory_bytes=training_memory(workload, situation.process_bytes),
        step_s=step_s,
        train_s=train_s,
        matmul_peak_flops_per_s=dict(situation.machine.matmul_peak_flops_per_s),
        mfu=per_token * batch_tokens / step_s / peak,
        loss=LAW.loss(params, effective_tokens(tokens, situation.unique_tokens)),
        why=tuple(why),
    )


def _describe(model: ModelConfig) -> str:
    return (
        f"{format_count(total_parameters(model))} parameters (dim {model.dim}, {model.num_layers} layers, {model.num_heads} heads)"
    )


def _speeds(machine: Machine) -> str:
    return ", ".join(f"{name} {format_count(speed, 'FLOP/s')}" for name, speed in machine.matmul_peak_flops_per_s.items())
