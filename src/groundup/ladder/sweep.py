"""The ladder: its data made once, its rungs trained, what they found written down."""

import dataclasses
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groundup import pipeline
from groundup.artifacts.manifest import MANIFEST, read_manifest
from groundup.artifacts.token_shards import TokenShards
from groundup.core.engines import Workers, open_engine
from groundup.core.engines.base import usable_cores
from groundup.core.errors import ArtifactError, ConfigError, DataError, Stopped, WorkerError
from groundup.core.files import hash_json, locked, read_object, write_json, write_text
from groundup.core.log import say
from groundup.core.progress import Bar, progress
from groundup.core.units import format_count, format_seconds
from groundup.ladder.config import LadderConfig
from groundup.ladder.points import CURVES_FILE, RUNS_FILE, Point, Scored, read_curve, read_point, read_targets, write_rows
from groundup.ladder.rung_run import LOG_FILE, RECIPE_FILE, Ended, Task, run_rung
from groundup.ladder.rungs import Rung, automatic, find_target, make_rungs
from groundup.recipe import Recipe
from groundup.train.course.course import Course
from groundup.train.metrics import read_rows

LADDER_FILE = "ladder.json"
DATA, RUNGS = "data", "rungs"
SHARED = ("curate", "tokenizer", "encode")
_LOOK_S = 3.0
"""Between two looks at how far the rungs are."""


@dataclass(frozen=True)
class Ladder:
    """A finished ladder."""

    path: Path
    points: tuple[Point, ...]
    new: tuple[str, ...]
    """Rungs that were trained now."""

    @property
    def runs_file(self) -> Path:
        return self.path / RUNS_FILE


def sweep(recipe: Recipe, ladder: LadderConfig | None, out: Path, workers: Workers) -> Ladder:
    """Train the rungs that are not finished, and write RUNS.csv, curves.csv and ladder.json; None is the derived ladder.

    Raises ConfigError or DataError before anything is trained if the ladder is impossible, Stopped where a rung was stopped, and
    WorkerError where one failed: the same command goes on.
    """
    check_recipe(recipe)
    claim(recipe, out)
    make_rungs(recipe, ladder or automatic(find_target(recipe, recipe.tokenizer.vocab_size)), recipe.tokenizer.vocab_size)
    with locked(out):
        write_json(out / LADDER_FILE, {"made_from": made_from(recipe), "recipe": recipe.resolved()})
        say(f"the text, once for all rungs, in {out / DATA}", style="bold")
        pipeline.run_line(recipe, out / DATA, until="encode")
        shards = TokenShards.open(out / DATA / "encode")
        check_held_out(shards, recipe.pretrain.seq_len)
        vocab_size = shards.info.vocab_size
        settled = ladder or automatic(find_target(recipe, vocab_size))
        rungs = make_rungs(recipe, settled, vocab_size)
        todo = [rung for rung in rungs if not is_finished(rung, out, shards)]
        for rung in todo:
            prepare(rung, out)
        ended = _train(todo, out, workers) if todo else []
        finished = [rung for rung in rungs if is_finished(rung, out, shards)]
        points = write_found(finished, out)
        write_json(out / LADDER_FILE, facts(recipe, settled, out, shards, points))
        _raise_failed(ended, out)
        return Ladder(out, tuple(points), tuple(rung.name for rung in todo))


def check_recipe(recipe: Recipe) -> None:
    """Raise ConfigError for what leaves a ladder without held-out losses."""
    if not recipe.curate.validation:
        raise ConfigError("curate.validation=0 holds out no text, and a ladder compares losses on it; set it above 0")
    if not recipe.pretrain.evaluate.enabled:
        raise ConfigError(
            "pretrain.evaluate.enabled=false scores no held-out text, and a ladder is made of such scores; take it out"
        )


def check_held_out(shards: TokenShards, seq_len: int) -> None:
    """Raise DataError if the held-out text does not fill a row."""
    held_out = shards.total("tokens", "validation")
    if held_out <= seq_len:
        raise DataError(
            f"{shards.path}: {held_out:,} tokens of held-out text do not fill a row of pretrain.seq_len={seq_len:,}; raise "
            "curate.validation, or give more text"
        )


def made_from(recipe: Recipe) -> dict[str, Any]:
    """Return what all runs in a folder have in common: their text and how it is cut."""
    shared = recipe.resolved()
    return {key: hash_json(shared[key]) for key in ("seed", *SHARED)}


def claim(recipe: Recipe, out: Path) -> None:
    """Raise ArtifactError if the folder holds something else than a ladder on the recipe's text."""
    if not (out / LADDER_FILE).is_file():
        if out.exists() and any(out.iterdir()):
            raise ArtifactError(f"{out}: holds files, and no {LADDER_FILE} says that they are a ladder's; choose another --out")
        return
    there, wanted = read_object(out / LADDER_FILE).get("made_from"), made_from(recipe)
    if there != wanted:
        differing = [key for key in wanted if not isinstance(there, dict) or there.get(key) != wanted[key]]
        raise ArtifactError(
            f"{out}: holds a ladder of a recipe with another {', '.join(differing)}, whose losses do not compare; choose "
            "another --out"
        )


def is_finished(rung: Rung, out: Path, shards: TokenShards) -> bool:
    """Return whether the rung was trained with this recipe on these shards."""
    folder = out / RUNGS / rung.name / "pretrain"
    if not (folder / MANIFEST).is_file():
        return False
    manifest = read_manifest(folder)
    return manifest.recipe == rung.recipe.resolved() and manifest.inputs["encode"].content_hash == shards.content_hash


def prepare(rung: Rung, out: Path) -> None:
    """Write the rung's recipe, and link the stages that all rungs share."""
    folder = out / RUNGS / rung.name
    folder.mkdir(parents=True, exist_ok=True)
    for verb in SHARED:
        link = folder / verb
        if not link.exists():
            link.symlink_to(os.path.relpath(out / DATA / verb, folder))
    write_text(folder / RECIPE_FILE, yaml.safe_dump(rung.recipe.resolved(), sort_keys=False))


def _train(rungs: Sequence[Rung], out: Path, workers: Workers) -> list[Ended]:
    """Train the rungs, the largest first, so that no long one is left to the end; go on where one fails."""
    order = sorted(rungs, key=lambda rung: -rung.flops) if workers.number != 1 else list(rungs)
    at_once = min(workers.count, len(order))
    threads = max(1, usable_cores() // at_once) if workers.engine == "local" and at_once > 1 else None
    tasks = [Task(rung.name, out / RUNGS / rung.name, threads) for rung in order]
    ended = []
    total = sum(rung.flops for rung in rungs)
    say(f"{len(order)} rungs, {format_count(total)}FLOPs, {at_once} at a time", style="bold")
    with (
        progress("ladder", total) as bar,
        _watched(order, out, bar),
        open_engine(dataclasses.replace(workers, number=at_once)) as engine,
    ):
        for _, result in engine.run(run_rung, tasks):
            ended.append(result)
            if result.code == 0:
                say(f"  {_result_words(out, result.name)}  ({len(ended)} of {len(order)})")
            else:
                say(f"  {result.name}: ended with code {result.code}: {result.words}", style="yellow")
            if result.is_stopped:
                break
    return ended


def _result_words(out: Path, name: str) -> str:
    point = read_point(name, out / RUNGS / name, 0.0)
    return (
        f"{name}: {format_count(point.params)} parameters, {format_count(point.tokens)} tokens: {point.loss:.4f} nats a token in "
        f"{format_seconds(point.train_s)}"
    )


@contextmanager
def _watched(rungs: Sequence[Rung], out: Path, bar: Bar) -> Iterator[None]:
    """Show how far the rungs are, from their metrics, while the block runs."""
    over = threading.Event()

    def look() -> None:
        done = 0.0
        while not over.wait(_LOOK_S):
            rows = {rung.name: read_rows(out / RUNGS / rung.name / "pretrain" / "metrics.jsonl") for rung in rungs}
            shares = {rung.name: len(rows[rung.name]) / rung.steps for rung in rungs}
            now = sum(rung.flops * min(shares[rung.name], 1.0) for rung in rungs)
            running = [f"{name} {share:.0%}" for name, share in shares.items() if 0 < share < 1]
            bar.advance(max(0.0, now - done), "  ".join(running[:4]))
            done = max(done, now)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_found(rungs: Sequence[Rung], out: Path) -> list[Point]:
    """Write RUNS.csv and curves.csv of finished rungs; return the points."""
    points, curves = [], list[Scored]()
    for rung in rungs:
        folder = out / RUNGS / rung.name
        points.append(read_point(rung.name, folder, rung.learning_rate))
        curves += read_curve(rung.name, folder, Course(rung.recipe.pretrain, rung.steps).learning_rate)
    write_rows(out / RUNS_FILE, points, Point)
    write_rows(out / CURVES_FILE, curves, Scored)
    return points


def facts(recipe: Recipe, ladder: LadderConfig, out: Path, shards: TokenShards, points: Sequence[Point]) -> dict[str, Any]:
    """Return what whoever compares other runs with these must know: the contents of ladder.json."""
    return {
        "made_from": made_from(recipe),
        "recipe": recipe.resolved(),
        "ladder": ladder.model_dump(mode="json"),
        "tokenizer": shards.info.tokenizer_hash,
        "shards": shards.content_hash,
        "held_out": shards.held_out_hash,
        "held_out_targets": read_targets([out / RUNGS / point.run_id for point in points]),
        "vocab_size": shards.info.vocab_size,
        "rungs": [point.run_id for point in points],
    }


def _raise_failed(ended: Sequence[Ended], out: Path) -> None:
    stopped = [result.name for result in ended if result.is_stopped]
    if stopped:
        raise Stopped(f"{', '.join(stopped)} stopped on the way and is saved; the same command goes on")
    failed = [result for result in ended if result.code]
    if failed:
        first = failed[0]
        raise WorkerError(
            f"{len(failed)} of {len(ended)} rungs failed ({', '.join(result.name for result in failed)}); the first said: "
            f"{first.words} (all of it in {out / RUNGS / first.name / LOG_FILE}); mend the cause and run the same command "
            "again: what is finished is kept"
        )
