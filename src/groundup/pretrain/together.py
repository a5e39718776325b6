"""The processes that train together: those of the launch, on the recipe's layout, once they agree on what is trained."""

import contextlib
import math
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from groundup.artifacts.build import Job
from groundup.artifacts.differences import differences
from groundup.artifacts.plan import Decisions, Plan
from groundup.core.engines.base import usable_cores
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.log import say
from groundup.core.seeds import derive_seed
from groundup.core.units import format_seconds
from groundup.core.world import World, launched, threads_of_each, used_cores
from groundup.pretrain.layouts import chosen_layout, layout_of, say_alone, words
from groundup.train.config import PRODUCTS, TrainConfig
from groundup.train.hooks.hook import Hook, Row
from groundup.train.hooks.sharing import FROM_STEP, STEPS, Sharing
from groundup.train.memory import PeakMemory
from groundup.train.parallel.config import Layout
from groundup.train.parallel.crew import call
from groundup.train.parallel.team import Team
from groundup.train.parallel.world import TIMEOUT_S, joined, open_store
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import TrainStep

PLACE_S = 1.0
"""Between two notes of where a process is."""


@contextlib.contextmanager
def gathered(config: TrainConfig, job: Job, plan: Plan) -> Iterator[tuple[Ranks, Layout]]:
    """Hold the processes of the launch together, and yield them with their layout; one that was started by itself is alone.

    Raises ConfigError if the layout does not suit them, or they are about to train different things.
    """
    world, decisions = launched(), plan.decisions
    size = world.size if world is not None else 1
    layout = layout_of(job, decisions, size)
    if world is None or size == 1:
        say_alone(job)
        yield ALONE, layout or Layout()
        return
    if world.is_first:
        call(world)
    if decisions.device == "cuda":
        torch.cuda.set_device(world.local_rank)
    with joined(world, timeout_s=TIMEOUT_S + config.storage_patience_s):
        layout = layout or chosen_layout(config, job, plan, world)
        team = Team.of(layout, decisions.precision, decisions.device)
        check_alike(team.each(facts(config, job)))
        say(f"  {size:,} processes: {words(layout)}")
        yield team, layout


def local_threads(number: int, world: World | None) -> int:
    """Return this process' share of the machine's threads."""
    return threads_of_each(number, world.local_size) if world is not None else number


def machines(ranks: Ranks, world: World | None, decisions: Decisions) -> float:
    """Return how many times the peak that was measured with the plan's threads all processes have: once a device, or by cores."""
    if world is None or ranks.size == 1:
        return 1.0
    if decisions.device == "cuda":
        return float(ranks.size)
    return ranks.size / world.local_size * used_cores(world.local_size, decisions.num_threads, usable_cores())


def sharing_of(step: TrainStep, out: Path, plan: Plan, memory: PeakMemory) -> list[Hook]:
    """Return the hook that looks at all processes for a few steps, if there are many processes and enough steps."""
    ranks, decisions = step.ranks, plan.decisions
    if not isinstance(ranks, Team) or decisions.steps < FROM_STEP + STEPS:
        return []
    peak = plan.forecast.matmul_peak_flops_per_s[PRODUCTS[decisions.precision]]
    own = peak * machines(ranks, launched(), decisions) / ranks.size
    return [Sharing(step, ranks, words(ranks.mesh.layout), out, memory.bytes, own)]


def seed_dropout(ranks: Ranks, seed: int) -> None:
    """Seed what is random in passes, differently on each rank of many: no two see the same text, tokens, blocks and heads."""
    torch.manual_seed(derive_seed(seed, "train", *place_of(ranks)))


def place_of(ranks: Ranks) -> tuple[str, ...]:
    """Return which text, tokens, blocks and heads a process sees, nothing for the first."""
    if not isinstance(ranks, Team):
        return ()
    place = (ranks.mesh.data_rank, *map(ranks.mesh.place, ("cp", "pp", "tp")))
    return tuple(map(str, place)) if any(place) else ()


def hooks_of(world: World, metrics: Path) -> list[Hook]:
    """Return what each process of a launch does beside its steps."""
    found: list[Hook] = [Whereabouts(world)] if world.size > 1 else []
    return [*found, Recovery(world, metrics)] if world.is_first and world.life and metrics.exists() else found


class Whereabouts:
    """A hook that notes the step in which this process is, for those that miss it."""

    def __init__(self, world: World, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = open_store(world)
        self._key = f"place-{world.rank}"
        self._clock = clock
        self._noted_s = -math.inf

    def __call__(self, row: Row) -> str | None:
        now_s = self._clock()
        if now_s - self._noted_s >= PLACE_S:
            self._noted_s = now_s
            self._store.set(self._key, f"seen after step {row['step']:,}")
        return None


class Recovery:
    """A hook that says how long a restart took: from the last step before it to the first after it."""

    def __init__(self, world: World, metrics: Path) -> None:
        self._world = world
        self._stopped_s: float | None = metrics.stat().st_mtime

    def __call__(self, row: Row) -> str | None:
        if self._stopped_s is not None:
            took = format_seconds(time.time() - self._stopped_s)
            say(f"  restart {self._world.life}: step {row['step']:,} is done {took} after the last step before it", style="yellow")
            self._stopped_s = None
        return None


def facts(config: TrainConfig, job: Job) -> dict[str, Any]:
    """Return what must be the same in all processes."""
    return {
        "made_from": {
            "config": config.model_dump(mode="json"),
            "seed": job.seed,
            "inputs": {name: artifact.content_hash for name, artifact in job.inputs.items()},
        },
        "parallel": job.parallel.model_dump(exclude_unset=True) if isinstance(job.parallel, Layout) else job.parallel,
        "versions": {"groundup": version("groundup"), "torch": torch.__version__, "Python": platform.python_version()},
        "out": str(job.out.resolve()),
    }


def check_alike(all_facts: list[dict[str, Any]]) -> None:
    """Raise ConfigError, or ArtifactError, with the first process that is about to train something else than the first."""
    first = all_facts[0]
    for rank, found in enumerate(all_facts):
        who = f"process {rank} of {len(all_facts)}"
        for name, here in first["versions"].items():
            if found["versions"][name] != here:
                raise ConfigError(
                    f"{who} runs {name} {found['versions'][name]}, the first {here}; install the same on all machines"
                )
        if found["made_from"]["inputs"] != first["made_from"]["inputs"]:
            names = [
                name for name, there in found["made_from"]["inputs"].items() if there != first["made_from"]["inputs"].get(name)
            ]
            raise ArtifactError(
                f"{who} has other data than the first: {', '.join(names)} of another content; let all machines see the same folder "
                f"{first['out']} and the inputs beside it"
            )
        differing = differences("pretrain", found["made_from"], first["made_from"])
        if differing or found["parallel"] != first["parallel"]:
            what = differing or f"parallel {found['parallel']} there, {first['parallel']} here"
            raise ConfigError(f"{who} has another recipe than the first, 'here': {what}; start all with the same command")
