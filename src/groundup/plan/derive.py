"""From settings, text and machine to the decisions of a plan, timed on models other than the one to be trained."""

import math
from collections.abc import Callable
from typing import Any

from groundup.artifacts.plan import Decisions, Forecast
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.estimate.calibration.corrections import Calibration
from groundup.estimate.flops import flops_per_token
from groundup.estimate.laws import effective_tokens, law_for
from groundup.estimate.layout.process import of_rank
from groundup.estimate.parameters import total_parameters
from groundup.estimate.workload import Workload
from groundup.plan.calibrated import Calibrator, kind_of, with_growth
from groundup.plan.choose import build_workload, choose_precision, choose_shape, prior_speed, recomputed_share
from groundup.plan.compiling import choose_compiled
from groundup.plan.config import PlanConfig
from groundup.plan.extent import Extent
from groundup.plan.pace import Pace, longest, pace_of
from groundup.plan.probe import Probe, Stepping
from groundup.plan.probed import choose_attention, step_seconds, within_memory
from groundup.plan.room import memory_limit
from groundup.plan.shapes import family
from groundup.plan.situation import Situation
from groundup.train.config import PRODUCTS, TrainConfig
from groundup.train.parallel.automatic import Chosen, short
from groundup.train.parallel.config import AUTO, Layout

Together = Callable[[Layout], Stepping | None]
"""What times steps that all processes take together under a layout, where they can."""


def derive(
    config: PlanConfig,
    situation: Situation,
    probe: Probe,
    calibration: Calibration | None = None,
    together: Together | None = None,
) -> tuple[Decisions, Forecast]:
    """Return what to train and what it will take; probes are only given configurations other than the one chosen.

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
    workload = choose_attention(config.pretrain, workload, probe, why)
    workload = choose_compiled(config, workload, situation, _rough_seconds(config, workload, situation), probe, why)
    if workload.recompute != "none":
        why.append(_explain_recompute(workload))
    workload, place = within_memory(config, workload, situation, probe, why)
    if situation.processes.size > 1:
        why.append(_explain_layout(place, of_rank(workload, place.layout), situation))
    calibrator = Calibrator(calibration, kind_of(workload, situation.device), situation.text, situation.processes.size)
    memory = _calibrated_memory(config, place.memory, situation, calibrator, why)
    pace = pace_of(config, workload, _step_seconds(workload, place, situation, probe, together, why), calibrator, why)
    extent = longest(config, pace, why)
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


def _step_seconds(
    workload: Workload, place: Chosen, situation: Situation, probe: Probe, together: Together | None, why: list[str]
) -> float:
    """Return the time of a step of all processes: as they take it together, or as it follows from that of one by itself."""
    own, processes = of_rank(workload, place.layout), situation.processes
    stepping = together(place.layout) if together is not None and processes.size > 1 else None
    if stepping is not None:
        step_s = step_seconds(own, stepping, why)
        why.append(f"the {processes.size:,} processes took those steps together: what they exchange is in the time.")
        return step_s
    all_s = processes.step_seconds(workload, place.layout, step_seconds(own, probe, why))
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
    pace: Pace,
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
