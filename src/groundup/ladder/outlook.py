"""What a ladder will take, before anything is trained: the table of `--dry-run`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ArtifactError
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.ladder.config import LadderConfig
from groundup.ladder.rungs import Rung, automatic, find_target, make_rungs, rows_of
from groundup.ladder.sweep import DATA, check_recipe, claim, is_finished
from groundup.nn.device import resolve_device
from groundup.plan.choose import build_workload, choose_precision, prior_speed
from groundup.plan.machine import measure_machine
from groundup.plan.room import peak_memory
from groundup.plan.situation import Situation
from groundup.recipe import Recipe
from groundup.train.hooks.config import SCORE_COST
from groundup.train.libraries import settled_bytes

START_S = 20.0
"""Loading the libraries and planning, for each rung."""


@dataclass(frozen=True)
class RungOutlook:
    """One rung that is to come, or is there."""

    run_id: str
    params: int
    tokens: int
    flops: float
    steps: int
    batch_tokens: int
    learning_rate: float
    seconds: float
    memory_bytes: int
    finished: bool


def foresee(recipe: Recipe, ladder: LadderConfig | None, out: Path) -> list[RungOutlook]:
    """Return the rungs with what they take on this machine, by the prior speed of their widths.

    Raises what `sweep` would raise before it trains anything.
    """
    check_recipe(recipe)
    claim(recipe, out)
    shards = _shards(out)
    vocab_size = shards.info.vocab_size if shards else recipe.tokenizer.vocab_size
    settled = ladder or automatic(find_target(recipe, vocab_size))
    rungs = make_rungs(recipe, settled, vocab_size)
    situation = _situation(recipe, vocab_size)
    return [_outlook(rung, situation, shards is not None and is_finished(rung, out, shards)) for rung in rungs]


def _shards(out: Path) -> TokenShards | None:
    try:
        return TokenShards.open(out / DATA / "encode")
    except ArtifactError:
        return None


def _situation(recipe: Recipe, vocab_size: int) -> Situation:
    device = resolve_device(recipe.device)
    machine = measure_machine(device)
    return Situation(vocab_size, 0, machine, device.type, rows_of(recipe), settled_bytes(device))


def _outlook(rung: Rung, situation: Situation, finished: bool) -> RungOutlook:
    train = rung.recipe.pretrain
    workload = build_workload(rung.model, train, situation, choose_precision(train, situation, []))
    every, scored = train.evaluate.interval(rung.steps), train.evaluate.tokens(rung.steps, train.batch_tokens)
    work = rung.tokens + SCORE_COST * scored * (rung.steps // every + 1)
    return RungOutlook(
        run_id=rung.name,
        params=rung.params,
        tokens=rung.tokens,
        flops=rung.flops,
        steps=rung.steps,
        batch_tokens=train.batch_tokens,
        learning_rate=rung.learning_rate,
        seconds=0.0 if finished else START_S + work / prior_speed(workload, situation),
        memory_bytes=peak_memory(workload, situation)["total"],
        finished=finished,
    )


def as_json(rungs: Sequence[RungOutlook]) -> list[dict[str, Any]]:
    """Return the rungs as plain objects."""
    return [asdict(rung) for rung in rungs]


def render(rungs: Sequence[RungOutlook]) -> Table:
    """Return the rungs as a table for a terminal."""
    names = ("rung", "parameters", "tokens", "FLOPs", "steps", "batch", "peak rate", "time", "memory")
    table = Table(*names, box=None)
    for rung in rungs:
        cells = (rung.run_id, format_count(rung.params), format_count(rung.tokens), f"{rung.flops:.3g}", f"{rung.steps:,}")
        time = "finished" if rung.finished else f"about {format_seconds(rung.seconds)}"
        table.add_row(*cells, f"{rung.batch_tokens:,}", f"{rung.learning_rate:.2g}", time, format_bytes(rung.memory_bytes))
    total_s, flops = sum(rung.seconds for rung in rungs), sum(rung.flops for rung in rungs)
    table.add_row(f"{len(rungs)} rungs", "", "", f"{flops:.3g}", "", "", "", f"about {format_seconds(total_s)}", "")
    return table
