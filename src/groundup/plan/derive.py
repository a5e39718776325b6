"""From settings, text and machine to the decisions of a plan, timed on models other than the one to be trained."""

import math
from dataclasses import dataclass, replace
from typing import Any

from groundup.artifacts.plan import Decisions, Forecast
from groundup.core.errors import BudgetError
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.estimate.calibration.corrections import Calibration
from groundup.estimate.flops import flops_per_token
from groundup.estimate.laws import effective_tokens, law_for
from groundup.estimate.layout.process import of_rank
from groundup.estimate.memory import checkpoint_bytes, live_bytes, passing_bytes
from groundup.estimate.parameters import total_parameters
from groundup.estimate.workload import AttentionName, Workload
from groundup.plan.calibrated import Calibrator, kind_of, with_growth
from groundup.plan.choose import build_workload, choose_precision, choose_shape, has_kernels, prior_speed, recomputed_share
from groundup.plan.compiling import choose_compiled
from groundup.plan.config import PlanConfig
from groundup.plan.extent import Extent, extent_of, most_steps
from groundup.plan.probe import Probe
from groundup.plan.room import divisors, memory_limit, placed, too_large
from groundup.plan.shapes import at_depth, describe, family
from groundup.plan.situation import Situation
from groundup.train.config import PRODUCTS, TrainConfig
from groundup.train.hooks.config import SCORE_COST
from groundup.train.parallel.automatic import Chosen, short
from groundup.train.parallel.config import AUTO

KERNEL_MARGIN = 0.15
"""A measured difference below this does not overturn the rule: noise must not decide what is trained."""
MIN_STEPS = 10
"""Fewer optimizer steps than this train nothing."""
CHECKPOINT_INTERVAL_S = 30.0
CHECKPOINT_BYTES_PER_S = 3e8
"""Writing, hashing and syncing a checkpoint on an ordinary disk."""
CHECKPOINT_FIXED_S = 0.1
COMPILED_START_S = 8.0
"""Reading what the plan compiled, or compiling the rest, before the first step."""
KERNEL_PROBE_S = 2.0
DEPTH_PROBE_S = 6.0
PROBE_MICRO_BATCHES = 4
"""More micro-batches a step than this are timed as this many, in proportion."""


def derive(
    config: PlanConfig, situation: Situation, probe: Probe, calibration: Calibration | None = None
) -> tuple[Decisions, Forecast]:
    """Return what to train and what it will take; `probe` is only given configurations other than the one chosen.

    `calibration` changes forecasts and, through the time that a budget pays for, the number of steps: it decides nothing else.
    Raises BudgetError if it does not fit in memory or in the time.
    """
    why: list[str] = []
    precision = choose_precision(config.pretrain, situation, why)
    candidates = [
        build_workload(model, config.pretrain, situation, precision)
        for model in family(config.model, situation.vocab_size, config.pretrain.seq_len)
    ]
    workload = choose_shape(config, situation, candidates, why)
    why.append(_explain_split(workload, config.pretrain, situation))
    workload = _choose_attention(config.pretrain, workload, probe, why)
    workload = choose_compiled(config, workload, situation, _rough_seconds(config, workload, situation), probe, why)
    if workload.recompute != "none":
        why.append(_explain_recompute(workload))
    workload, place = _within_memory(config, workload, situation, probe, why)
    if situation.processes.size > 1:
        why.append(_explain_layout(place, of_rank(workload, place.layout), situation))
    calibrator = Calibrator(calibration, kind_of(workload, situation.device), situation.text, situation.processes.size)
    memory = _calibrated_memory(config, place.memory, situation, calibrator, why)
    step_s = _step_seconds(of_rank(workload, place.layout), probe, why)
    pace = _pace(config, workload, _of_all(step_s, workload, place, situation, why), calibrator, why)
    extent = _extent(config, pace, why)
    decisions = Decisions(
        model=workload.model.model_dump(),
        steps=extent.steps,
        batch_tokens=config.pretrain.batch_tokens,
        micro_batch=workload.micro_batch,
        seq_len=config.pretrain.seq_len,
        precision=workload.precision,
        attention=workload.attention,
        compiled=workload.compiled,
        recompute=workload.recompute,
        device=situation.device,
        num_threads=situation.machine.num_threads,
        checkpoint_steps=min(pace.interval, extent.steps),
        minutes=config.budget.minutes if config.budget is not None and config.budget.enforce else None,
    )
    forecast = _forecast(config, situation, memory, pace, extent, calibrator, why)
    return decisions, forecast.model_copy(update=_of_launch(place, situation))


def _rough_seconds(config: PlanConfig, workload: Workload, situation: Situation) -> float:
    """Return about how long the run takes, before a step is timed."""
    budget, train = config.budget, config.pretrain
    speed = prior_speed(workload, situation)
    bounds = []
    if budget is not None and budget.minutes is not None:
        bounds.append(budget.minutes * 60)
    if budget is not None and budget.tokens is not None:
        bounds.append(budget.tokens / speed)
    if train.steps is not None:
        bounds.append(train.steps * workload.batch_sequences * workload.rows.text_len / speed)
    return min(bounds)


def _choose_attention(train: TrainConfig, workload: Workload, probe: Probe, why: list[str]) -> Workload:
    """Keep the rule's kernel unless the other is clearly faster in a step of one layer (or two, if the model has one)."""
    if train.attention != "auto":
        why.append(f"attention {workload.attention}: as the recipe says.")
        return workload
    if not has_kernels(workload.model):
        why.append(f"attention {workload.attention}: the one kernel of model.attention='{workload.model.attention}'.")
        return workload
    other: AttentionName = "matmul" if workload.attention == "sdpa" else "sdpa"
    depth = 2 if workload.model.num_layers == 1 else 1
    rule_s, other_s = probe.step_seconds(
        [_at_depth(workload, depth), _at_depth(replace(workload, attention=other), depth)], KERNEL_PROBE_S
    )
    chosen = other if other_s < rule_s * (1 - KERNEL_MARGIN) else workload.attention
    why.append(
        f"attention {chosen}: a step of {depth} layer(s) took {format_seconds(rule_s)} with {workload.attention}, the rule for "
        f"{workload.precision} at {workload.rows.read_len} tokens, and {format_seconds(other_s)} with {other}; "
        f"a gain of {KERNEL_MARGIN:.0%} overturns the rule."
    )
    return replace(workload, attention=chosen)


def _explain_split(workload: Workload, train: TrainConfig, situation: Situation) -> str:
    reason = "as the recipe says" if train.micro_batch else "the batch size changes the speed little, the memory in proportion"
    return (
        f"micro-batch {workload.micro_batch} x {train.seq_len} tokens, {workload.num_micro_batches} a step: {reason}; "
        f"{situation.machine.num_threads} threads, one for each core that may be used."
    )


def _explain_layout(place: Chosen, own: Workload, situation: Situation) -> str:
    processes = situation.processes
    reason = f"parallel=auto: {place.why}" if processes.said == AUTO else "as the recipe says"
    rows = f"a data-parallel rank reads {own.batch_sequences:,} rows a step, {own.micro_batch:,} at a time"
    return f"layout {short(place.layout)} on {processes.size:,} processes: {reason}; {rows}."


def _of_all(step_s: float, workload: Workload, place: Chosen, situation: Situation, why: list[str]) -> float:
    """Return the time of a step of all processes, given that of one by itself with the rows of a rank."""
    processes = situation.processes
    all_s = processes.step_seconds(workload, place.layout, step_s)
    if processes.size > 1:
        how = (
            f"{processes.local:,} processes share the cores of this machine; what they exchange is left out"
            if processes.hardware is None
            else "as much longer or shorter as plan layout foresees"
        )
        why.append(f"step time of {processes.size:,} processes {format_seconds(all_s)}: {how}.")
    return all_s


def _of_launch(place: Chosen, situation: Situation) -> dict[str, Any]:
    """Return what a forecast says of the processes that it is for."""
    processes = situation.processes
    if processes.size == 1:
        return {}
    hardware = processes.hardware.model_dump(mode="json") if processes.hardware is not None else None
    return {"processes": processes.size, "layout": place.layout.model_dump(mode="json"), "hardware": hardware}


def _explain_recompute(workload: Workload) -> str:
    return (
        f"recompute {workload.recompute}: as the recipe says; {recomputed_share(workload):.0%} more FLOPs a step, which the MFU "
        "does not count: it is of the model's own."
    )


def _step_seconds(workload: Workload, probe: Probe, why: list[str]) -> float:
    """Return the time of an optimizer step, on the line through two other depths of the same widths."""
    layers = workload.model.num_layers
    shallow, deep = _probe_depths(layers)
    shallow_s, deep_s = probe.step_seconds([_at_depth(workload, shallow), _at_depth(workload, deep)], DEPTH_PROBE_S)
    layer_s = max(0.0, deep_s - shallow_s) / (deep - shallow)
    scale = workload.num_micro_batches / min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    step_s = scale * max(deep_s + (layers - deep) * layer_s, shallow_s / 2)
    why.append(
        f"step time {format_seconds(step_s)}: with {shallow} and {deep} layers of these widths a step took "
        f"{format_seconds(shallow_s)} and {format_seconds(deep_s)}; {layers} layers lie on the line through them. "
        "The model itself has not been stepped."
    )
    return step_s


def _probe_depths(layers: int) -> tuple[int, int]:
    """Return two depths that are not that of the model."""
    return next(pair for pair in ((1, 3), (2, 4), (1, 2)) if layers not in pair)


def _within_memory(
    config: PlanConfig, workload: Workload, situation: Situation, probe: Probe, why: list[str]
) -> tuple[Workload, Chosen]:
    """Return the workload with the largest micro-batch that fits by measurement too, and how it lies on its processes.

    Raises BudgetError if none does, or the one that the recipe asks for does not.
    """
    limit = memory_limit(config.pretrain, situation)
    while True:
        place, share, reason = _memory(config, workload, situation, probe)
        if place.fits:
            why.append(f"{reason} It may come to {format_bytes(limit)}.")
            return workload, place
        splits = [] if config.pretrain.micro_batch else divisors(workload.batch_sequences)
        smaller = [number for number in splits if number < workload.micro_batch]
        if not smaller:
            raise BudgetError(too_large(workload, situation, config, share))
        why.append(
            f"micro-batch {smaller[-1]}: {workload.micro_batch} would take {format_bytes(place.total)} of memory, and "
            f"{format_bytes(limit)} may be used."
        )
        workload = replace(workload, micro_batch=smaller[-1])


def _memory(config: PlanConfig, workload: Workload, situation: Situation, probe: Probe) -> tuple[Chosen, float, str]:
    """Return how the run lies, with the peak memory of a process, the allocator's share as measured at two depths, and the reason.

    Neither depth is that of the model. The gaps that the allocator leaves are little in proportion to anything: a part is there in
    the smallest model, a part grows with the layers. So they are read off the line through two depths.
    """
    own = of_rank(workload, placed(workload, config.pretrain, situation).layout)
    shallow, deep = (_at_depth(own, depth) for depth in _probe_depths(workload.model.num_layers))
    if workload.compiled:
        probe.step_seconds([shallow], 0.0)  # what compiling takes once is not the model's
    growths = [probe.memory_growth(other) for other in (shallow, deep)]
    least, more = (max(0, growth - live_bytes(other)) for growth, other in zip(growths, (shallow, deep), strict=True))
    slope = max(0, more - least) / (deep.model.num_layers - shallow.model.num_layers)
    gaps = max(least, more) + slope * (workload.model.num_layers - deep.model.num_layers)
    share = max(0.0, gaps) / sum(passing_bytes(own).values())
    held_bytes = probe.held_bytes() if workload.compiled else situation.held_bytes  # the compiler's own tables are there by now
    place = placed(workload, config.pretrain, situation, share, held_bytes)
    held = "the process with its libraries, " if held_bytes else ""
    each = " a process" if situation.processes.size > 1 else ""
    reason = (
        f"memory {format_bytes(place.total)}{each}: {held}the tensors counted one by one, and "
        f"{format_bytes(place.memory['allocator'])} for the gaps that the allocator leaves, on the line through "
        f"{format_bytes(least)} with {shallow.model.num_layers} and {format_bytes(more)} with {deep.model.num_layers} layers, "
        f"which took {format_bytes(growths[0])} and {format_bytes(growths[1])}."
    )
    return place, share, reason


def _at_depth(workload: Workload, num_layers: int) -> Workload:
    sequences = workload.micro_batch * min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    model = at_depth(workload.model, num_layers)
    return replace(workload, model=model, batch_sequences=sequences)


@dataclass(frozen=True)
class _Pace:
    """How long steps take, and what is beside them, as foreseen and as corrected."""

    config: PlanConfig
    workload: Workload
    plain_step_s: float
    step_s: float
    checkpoint_s: float
    interval: int
    """Steps between checkpoints."""
    more_s: float = 0.0
    """What runs of this kind took beside their steps more than was foreseen."""

    def of(self, steps: int) -> Extent:
        return extent_of(self.config.pretrain, steps, self.workload)

    def beside_s(self, extent: Extent) -> float:
        """Return what comes on top of the steps, by formula: the start, checkpoints, evaluations on the way."""
        start_s = COMPILED_START_S if self.workload.compiled else 0.0
        saved = math.ceil(extent.steps / self.interval)  # the last step is saved as well
        return start_s + saved * self.checkpoint_s + self._evaluations(extent) * self.plain_step_s

    def train_s(self, extent: Extent) -> float:
        return extent.whole_steps * self.step_s + max(0.0, self.beside_s(extent) + self.more_s)

    def plain_train_s(self, extent: Extent) -> float:
        return extent.whole_steps * self.plain_step_s + self.beside_s(extent)

    def _evaluations(self, extent: Extent) -> float:
        """Return the steps that scoring held-out text on the way takes as long as."""
        evaluate, batch_tokens = self.config.pretrain.evaluate, self.config.pretrain.batch_tokens
        if not evaluate.enabled:
            return 0.0
        times = math.ceil(extent.steps / evaluate.interval(extent.steps))
        return times * evaluate.tokens(extent.steps, batch_tokens) / batch_tokens * SCORE_COST


def _pace(config: PlanConfig, workload: Workload, step_s: float, calibrator: Calibrator, why: list[str]) -> _Pace:
    """Return the pace of the run, corrected; checkpoints are as far apart as they would be without that."""
    checkpoint_s = CHECKPOINT_FIXED_S + checkpoint_bytes(workload) / CHECKPOINT_BYTES_PER_S
    interval = config.pretrain.checkpoint_steps or _round_steps(CHECKPOINT_INTERVAL_S / step_s)
    pace = _Pace(config, workload, step_s, calibrator.correct("step_s", step_s, why), checkpoint_s, interval)
    beside_s = pace.beside_s(_extent(config, pace, []))
    return replace(pace, more_s=calibrator.correct("beside_s", beside_s, why) - beside_s)


def _extent(config: PlanConfig, pace: _Pace, why: list[str]) -> Extent:
    """Return the longest run that the budget pays for."""
    workload, of = pace.workload, pace.of
    if config.budget is None:
        assert config.pretrain.steps is not None, "PlanConfig asks for one of the two"
        why.append(f"steps {config.pretrain.steps:,}: as the recipe says.")
        return of(config.pretrain.steps)
    minutes, tokens, found = config.budget.minutes, config.budget.tokens, []
    if minutes is not None:
        steps = most_steps(lambda steps: pace.train_s(of(steps)) <= minutes * 60)
        if steps < MIN_STEPS:
            raise BudgetError(_too_short(minutes, workload, steps, pace.train_s(of(MIN_STEPS))))
        reason = (
            f"{format_seconds(minutes * 60)} at {format_seconds(pace.step_s)} a step and {format_seconds(pace.checkpoint_s)} for a "
            "checkpoint"
        )
        found.append((steps, f"{reason} every {pace.interval:,} steps"))
    if tokens is not None:
        steps = most_steps(lambda steps: of(steps).tokens <= tokens)
        if steps < MIN_STEPS:
            raise BudgetError(_too_few(tokens, steps, of(MIN_STEPS).tokens))
        found.append((steps, f"budget.tokens={tokens:,}, of which whole steps take {of(steps).tokens:,}"))
    steps, reason = min(found)
    why.append(f"steps {steps:,}: {reason}.")
    return of(steps)


def _round_steps(steps: float) -> int:
    """Return the power of two near `steps`, so that small differences in speed give the same plan."""
    return int(2 ** max(0, round(math.log2(max(steps, 1)))))


def _too_short(minutes: float, workload: Workload, steps: int, needed_s: float) -> str:
    needed = math.ceil(needed_s / 60 * 1000 + 1) / 1000
    return (
        f"budget.minutes={minutes:g} buys {steps} optimizer steps of {describe(workload.model)}; {MIN_STEPS} are the least "
        f"that train anything and take {format_seconds(needed_s)}: set budget.minutes to {needed:g} or more, "
        f"or lower pretrain.batch_tokens ({workload.batch_sequences * workload.rows.read_len:,})"
    )


def _too_few(tokens: int, steps: int, needed: int) -> str:
    return (
        f"budget.tokens={tokens:,} are {steps} optimizer steps; {MIN_STEPS} are the least that train anything: set "
        f"budget.tokens to {needed:,} or more, or lower pretrain.batch_tokens"
    )


def _calibrated_memory(
    config: PlanConfig, memory: dict[str, int], situation: Situation, calibrator: Calibrator, why: list[str]
) -> dict[str, int]:
    """Return the peak memory as earlier runs correct it; where that is above the limit it is told, and nothing is changed."""
    plain = memory["total"] - memory["process"]
    memory = with_growth(memory, calibrator.correct("growth_bytes", plain, why))
    limit = memory_limit(config.pretrain, situation)
    if memory["total"] > limit:
        why.append(
            f"memory: {format_bytes(memory['total'])} with the correction is more than the {format_bytes(limit)} that it may come "
            "to; lower pretrain.micro_batch if it does not fit."
        )
    return memory


def _forecast(
    config: PlanConfig,
    situation: Situation,
    memory: dict[str, int],
    pace: _Pace,
    extent: Extent,
    calibrator: Calibrator,
    why: list[str],
) -> Forecast:
    workload, step_s = pace.workload, pace.step_s
    params = total_parameters(workload.model)
    batch_tokens = workload.batch_sequences * workload.rows.text_len
    tokens = extent.tokens
    per_token = flops_per_token(workload.model, workload.rows)
    peak = situation.machine.matmul_peak_flops_per_s[PRODUCTS[workload.precision]]
    plain_loss = _loss(config, params, effective_tokens(tokens, situation.unique_tokens), situation.vocab_size, why)
    loss = None if plain_loss is None else calibrator.correct("loss", plain_loss, why)
    calibrator.explain_rest(why)
    return Forecast(
        params=params,
        tokens=tokens,
        unique_tokens=situation.unique_tokens,
        epochs=tokens / situation.unique_tokens,
        tokens_per_param=tokens / params,
        flops=float(per_token * batch_tokens * extent.whole_steps),
        flops_per_token=per_token,
        memory_bytes=memory,
        step_s=step_s,
        train_s=pace.train_s(extent),
        matmul_peak_flops_per_s=dict(situation.machine.matmul_peak_flops_per_s),
        mfu=per_token * batch_tokens / step_s / (peak * situation.processes.machines),
        loss=loss,
        why=tuple(why),
        calibrated=calibrator.summary(
            step_s=pace.plain_step_s,
            beside_s=pace.beside_s(extent),
            loss=plain_loss,
            train_s=pace.plain_train_s(extent),
            whole_steps=extent.whole_steps,
        ),
    )


def _loss(config: PlanConfig, params: int, fresh_tokens: float, vocab_size: int, why: list[str]) -> float | None:
    """Return the nats per token that the law of this size gives, None where its runs say nothing of such a one."""
    objective = config.pretrain.objective.name
    if objective != "causal":
        why.append(
            f"loss: no forecast. The laws are fitted to causal models; nothing is known of pretrain.objective.name='{objective}'."
        )
        return None
    law = law_for(params)
    loss = law.loss(params, fresh_tokens)
    if law.covers(params, fresh_tokens, vocab_size) and loss < math.log(vocab_size):
        why.append(f"loss {loss:.2f} nats per token: {law.source}.")
        return loss
    ranges = " and ".join(
        f"{format_count(float(low))} to {format_count(float(high))} {what}"
        for (low, high), what in ((law.params, "parameters"), (law.tokens, "fresh tokens"))
    )
    why.append(
        f"loss: no forecast. {format_count(params)} parameters, tokens worth {format_count(fresh_tokens)} fresh ones and "
        f"{vocab_size:,} kinds of tokens are outside the fitted range: {ranges}, near {law.vocab_size:,} kinds ({law.source})."
    )
    return None
