"""The plan stage: decide what to train before the first step, and say what it will take."""

from functools import partial

import torch
from rich.table import Table

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.plan import FORECAST_FILE, PLAN_FILE, Decisions, Forecast
from groundup.artifacts.token_shards import TokenShards
from groundup.core.compiler import find_compiler
from groundup.core.files import write_json
from groundup.core.log import console, say
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.core.world import launched
from groundup.estimate.calibration.book import known_runs
from groundup.estimate.calibration.corrections import Calibration
from groundup.estimate.calibration.record import TEXT_LEN, this_machine
from groundup.estimate.collecting import advice
from groundup.nn.device import resolve_device
from groundup.nn.threads import threads
from groundup.plan.config import PlanConfig
from groundup.plan.derive import derive
from groundup.plan.machine import Machine, measure_machine, physical_cores
from groundup.plan.probe import StepProbe
from groundup.plan.processes import Processes
from groundup.plan.situation import Situation
from groundup.plan.together import stepping_together
from groundup.train.course.course import Course
from groundup.train.libraries import load_libraries, settled_bytes
from groundup.train.memory import kept_memory
from groundup.train.objectives.config import MAX_SENTINELS
from groundup.train.objectives.lengths import anticipated, row_lengths
from groundup.train.order import streams_of
from groundup.train.packing import packed_streams, packings
from groundup.train.parallel.automatic import short
from groundup.train.parallel.config import Layout, parallel_of


def run(config: PlanConfig, job: Job) -> Outcome:
    """Write plan.json (what to train) and forecast.json (what it takes) for the token shards of 'encode'.

    Raises DataError if the text is shorter than one sequence, BudgetError if the model does not fit in memory or the budget is
    too small, ConfigError if the parts of the model do not fit together.
    """
    shards = job.open("encode", TokenShards)
    objective = anticipated(config.pretrain.objective, config.pretrain.seq_len, config.model.shape, MAX_SENTINELS)
    packed = packed_streams(shards, packings(shards, "train", objective.raw_len)) if config.pretrain.packing == "best_fit" else []
    streams = packed or streams_of(shards, "train", objective.stride, objective.overlap)
    unique_tokens = sum(stream.windows for stream in streams) * objective.stride
    device = resolve_device(config.device)
    machine = measure_machine(device)
    processes = Processes.of(parallel_of(job.parallel), launched(), device.type, machine.num_threads, physical_cores())
    Course(config.pretrain, config.pretrain.steps or 1).check_parts(processes.readers(config.pretrain.batch_sequences))
    probe = StepProbe(config.pretrain, device)
    load_libraries(config.pretrain.optimizer, device, shards)
    process_bytes = settled_bytes(torch.device("cpu"))
    situation = Situation(
        shards.info.vocab_size,
        unique_tokens,
        machine,
        device.type,
        row_lengths(objective),
        process_bytes,
        find_compiler(),
        shards.content_hash[:TEXT_LEN],
        processes,
    )
    say("  timing training steps of smaller models to predict this one's")
    with threads(machine.num_threads), kept_memory():
        together = partial(stepping_together, processes, config.pretrain, machine.num_threads)
        decisions, forecast = derive(config, situation, probe, _calibration(config, machine, processes), together)
    Course(config.pretrain, decisions.steps).check()
    forecast = forecast.model_copy(update={"why": (*forecast.why, *_about_text(forecast, shards))})
    write_json(job.out / PLAN_FILE, decisions.model_dump(mode="json"))
    write_json(job.out / FORECAST_FILE, forecast.model_dump(mode="json"))
    console.print(render(decisions, forecast))
    for reason in forecast.why:
        say(f"  - {reason}")
    counts: dict[str, int | float | str] = {"params": forecast.params, "tokens": forecast.tokens, "steps": decisions.steps}
    return Outcome(counts=counts, volatile=frozenset({FORECAST_FILE}))


def _calibration(config: PlanConfig, machine: Machine, processes: Processes) -> Calibration | None:
    """Return what earlier runs of this machine say; None where the recipe leaves it out, and for many processes."""
    is_wanted = config.calibration and processes.size == 1
    return Calibration(known_runs(this_machine(machine.num_threads))) if is_wanted else None


def _about_text(forecast: Forecast, shards: TokenShards) -> list[str]:
    """Return what the run does to a mix, and what to collect so that it need not repeat text."""
    beyond = shards.mix.beyond(forecast.tokens) if shards.mix else None
    found = [f"mix: {beyond}."] if beyond else []
    if forecast.epochs > 1 and shards.info.collected is not None:
        more = advice(forecast.tokens - forecast.unique_tokens, shards.info.collected)
        found.append(f"epochs {forecast.epochs:.2f}: to read new text in the place of each repetition, {more}.")
    return found


def render(decisions: Decisions, forecast: Forecast) -> Table:
    """Return the plan as a table for a terminal."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 2))
    num_rows = decisions.batch_tokens // decisions.seq_len
    rows = f"{num_rows:,} rows of up to {decisions.seq_len:,} tokens, {decisions.micro_batch} at a time"
    table.add_row("parameters", f"{forecast.params:,}")
    table.add_row("training tokens", f"{forecast.tokens:,} in {decisions.steps:,} steps of {rows}")
    table.add_row("epochs", f"{forecast.epochs:.2f} of {forecast.unique_tokens:,} unique tokens")
    table.add_row("tokens / parameter", f"{forecast.tokens_per_param:.3g}")
    table.add_row("FLOPs", f"{forecast.flops:.3g} ({format_count(forecast.flops_per_token)} a token)")
    how = "compiled" if decisions.compiled else "eager"
    if decisions.recompute != "none":
        how += f", recompute {decisions.recompute}"
    threads_used = f"{decisions.num_threads} threads, {decisions.device}"
    table.add_row("kernels", f"{decisions.precision}, attention {decisions.attention}, {how}, {threads_used}")
    parts = ", ".join(
        f"{name.replace('_', ' ')} {format_bytes(size)}" for name, size in forecast.memory_bytes.items() if size and name != "total"
    )
    if forecast.layout is not None:
        table.add_row("processes", f"{forecast.processes:,}, {short(Layout.parse(forecast.layout, 'forecast'))}; memory is of each")
    table.add_row("peak memory", f"{format_bytes(forecast.memory_bytes['total'])}: {parts}")
    table.add_row("time", f"{format_seconds(forecast.train_s)}, {format_seconds(forecast.step_s)} a step, MFU {forecast.mfu:.0%}")
    loss = "no forecast: outside the fitted range" if forecast.loss is None else f"about {forecast.loss:.2f} nats per token"
    table.add_row("loss", loss)
    return table
