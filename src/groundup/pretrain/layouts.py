"""The layout of a run on the processes that there are."""

import contextlib
import json
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from groundup.artifacts.build import Job
from groundup.artifacts.plan import Decisions, Plan
from groundup.core.errors import GroundupError
from groundup.core.files import write_json
from groundup.core.log import say
from groundup.core.world import World
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.process import process_memory
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.nn.device import device_memory
from groundup.train.config import TrainConfig
from groundup.train.objectives.config import MAX_SENTINELS
from groundup.train.objectives.lengths import anticipated, row_lengths
from groundup.train.parallel.automatic import MEMORY_SHARE, Room, check_fits, choose, layouts_of
from groundup.train.parallel.config import AUTO, Layout, completed

LAYOUT_FILE = "layout.json"
"""Layouts that were chosen for the run, by the number of processes."""


def say_alone(job: Job) -> None:
    """Say that one process goes on with what was on several, where the recipe leaves it open on how many it is."""
    if job.parallel == AUTO and (kept := _kept(job.out / LAYOUT_FILE)):
        say(f"  parallel=auto: one process, which holds all; the run was on {' and '.join(kept)} before")


def layout_of(job: Job, decisions: Decisions, size: int) -> Layout | None:
    """Return the layout of so many processes that the recipe says, with what the plan settled; None if it is to be chosen."""
    if job.parallel == AUTO and size > 1:
        return None
    settled = {key: getattr(decisions, key) for key in ("recompute", "micro_batch", "precision")}
    return completed(job.parallel if isinstance(job.parallel, Layout) else None, size, settled)


def words(layout: Layout) -> str:
    """Return the layout in the words of a recipe, what is as it is by itself left out."""
    said = {name: getattr(layout, name) for name in ("dp", "tp", "pp", "cp", "zero")}
    axes = [f"{name}={value}" for name, value in said.items() if value != Layout.model_fields[name].default]
    factor = [f"sharding_factor={layout.shards}"] if layout.zero == 3 and layout.shards != layout.dp else []
    return " ".join([*axes, *factor]) or "dp=1"


def chosen_layout(config: TrainConfig, job: Job, plan: Plan, world: World) -> Layout:
    """Return the layout of `parallel: auto`: what the run had on as many processes before, else the plan's, else one chosen now.

    All processes call this; the first chooses. Raises BudgetError in all if nothing fits.
    """
    rooms: list[Any] = [None] * world.size
    dist.all_gather_object(rooms, room_bytes(config, plan, world.local_size))
    outcome: list[Any] = [None]
    if world.is_first:
        try:
            outcome = [_chosen(config, job, plan, world.size, min(rooms))]
        except GroundupError as error:
            outcome = [error]
    dist.broadcast_object_list(outcome, src=0)
    if isinstance(outcome[0], GroundupError):
        raise outcome[0]
    layout, why = outcome[0]
    say(f"  parallel=auto: {words(layout)}, {why}")
    return Layout.parse(layout.model_dump(), "parallel")


def room_bytes(config: TrainConfig, plan: Plan, processes: int) -> int:
    """Return what a process may fill, of so many that share this machine, beside what it holds without the model."""
    device = torch.device(plan.decisions.device)
    available = device_memory(device)[1] // (1 if device.type == "cuda" else processes)
    held = plan.forecast.memory_bytes.get("process", 0)
    return int(MEMORY_SHARE * available) if config.memory_cap is None else min(config.memory_cap - held, available)


def fits_whole(config: TrainConfig, plan: Plan) -> bool:
    """Return whether one process has room for the run of the whole model."""
    memory = process_memory(_workload(config, plan.decisions), Layout(), 0, plan.decisions.device != "cuda")
    return memory["total"] <= room_bytes(config, plan, 1)


def _chosen(config: TrainConfig, job: Job, plan: Plan, size: int, room: int) -> tuple[Layout, str]:
    """Return the layout, and why it; note it in the run's folder."""
    decisions, forecast = plan.decisions, plan.forecast
    kept = _kept(job.out / LAYOUT_FILE)
    others = [number for number in kept if number != str(size)]
    if str(size) in kept:
        return Layout.parse(kept[str(size)], LAYOUT_FILE), f"as before on {size:,} processes"
    if forecast.layout is not None and forecast.processes == size:
        layout, why = Layout.parse(forecast.layout, "forecast"), "as planned"
    else:
        workload, held = _workload(config, decisions), forecast.memory_bytes.get("process", 0)
        hardware = Hardware.parse(forecast.hardware, "forecast") if forecast.hardware is not None else None
        possible = layouts_of(workload, size, hardware)
        chosen = choose(workload, possible, Room(held + room, held, decisions.device != "cuda"))
        check_fits(chosen, workload)
        layout, why = chosen.layout, chosen.why
    if others:
        why += f"; chosen anew, as the run was on {' and '.join(others)} before"
    write_json(job.out / LAYOUT_FILE, {**kept, str(size): layout.model_dump(mode="json")})
    return layout, why


def _kept(file: Path) -> dict[str, Any]:
    """Return the layouts that were chosen before; a file that is no such thing is written anew."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(kept, dict):
            return kept
    return {}


def _workload(config: TrainConfig, decisions: Decisions) -> Workload:
    model = ModelConfig.parse(decisions.model, "plan")
    objective = anticipated(config.objective, decisions.seq_len, model.shape, MAX_SENTINELS)
    return Workload(
        model,
        decisions.precision,
        decisions.attention,
        decisions.micro_batch,
        decisions.batch_tokens // decisions.seq_len,
        row_lengths(objective),
        config.document_mask,
        config.optimizer,
        decisions.compiled,
        decisions.recompute,
    )
