"""The beginning that a run has in common with another one, and need not be trained again."""

import functools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.artifacts.build import Job
from groundup.artifacts.checkpoint import CHECKPOINTS, Checkpoint, checkpoint_folders
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.plan import Decisions
from groundup.core.config import Config
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object, storage_errors, sync_folder, write_json, write_text
from groundup.core.log import say
from groundup.nn.config import ModelConfig
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.hooks.evaluation import EVALUATIONS_FILE, read_evaluations
from groundup.train.metrics import read_rows
from groundup.train.parallel.config import Layout, LocalSgd

COURSE_FILE = "course.json"
_UNFINISHED = "taken-over.partial"
_LATER = {"steps", "checkpoint_steps", "minutes"}
"""What of a plan's decisions says nothing of the first steps' weights."""
_PLANNED = {"steps", "checkpoint_steps", "micro_batch", "precision", "attention", "compile", "recompute", "seq_len", "batch_tokens"}
"""What of the recipe is settled by the plan's decisions."""
_HARMLESS = {
    "schedule",
    "batch_ramp",
    "lengths",
    "mixture",
    "keep_checkpoints",
    "keep_every_steps",
    "checkpoint_minutes",
    "storage_patience_s",
    "memory_cap",
    "watch",
}
"""What of the recipe acts through the course of the steps, or not on the weights."""


class Making(Config):
    """Everything that decides a run's weights: the contents of course.json."""

    config: TrainConfig
    decisions: Decisions
    seed: int
    inputs: dict[str, str]
    """Content hashes of the shards and the tokenizer."""
    apart: LocalSgd | None = None
    """Islands that train apart."""

    @classmethod
    def of(cls, config: TrainConfig, decisions: Decisions, job: Job) -> "Making":
        hashes = {name: job.inputs[name].content_hash for name in ("encode", "tokenizer")}
        apart = job.parallel.local_sgd if isinstance(job.parallel, Layout) else None
        return cls(config=config, decisions=decisions, seed=job.seed, inputs=hashes, apart=apart)

    @functools.cached_property
    def course(self) -> Course:
        """What each step is made of."""
        peak = self.config.optimizer.peak(ModelConfig.parse(self.decisions.model, "plan"))
        return Course(self.config, self.decisions.steps, peak)

    def common_steps(self, other: "Making") -> int:
        """Return how many first steps both runs do alike, so that they end in the same bits."""
        if self._constant() != other._constant():
            return 0
        shorter = min(self.course.steps, other.course.steps)
        alike = (self.course.at(step) == other.course.at(step) for step in range(shorter))
        return next((step for step, same in enumerate(alike) if not same), shorter)

    def _constant(self) -> dict[str, Any]:
        """Return what must be equal for any step to be."""
        config = self.config.model_dump(exclude=_PLANNED | _HARMLESS)
        decisions = self.decisions.model_dump(exclude=_LATER)
        return {"config": config, "decisions": decisions, "seed": self.seed, "inputs": self.inputs, "apart": self.apart}


@dataclass(frozen=True)
class Beginning:
    """What another run kept of the steps that it did as this one would."""

    run: Path
    checkpoints: list[Path]
    """The latest last."""
    rows: list[dict[str, Any]]
    """Metrics of the steps up to the latest checkpoint."""


def take_over_beginning(making: Making, out: Path, metrics_file: str) -> None:
    """Write course.json; if `out` holds no checkpoint, copy those that a run beside it shares, with its metrics.

    Of several runs, the one with the latest shared checkpoint gives. A run that is the same from end to end gives nothing: it is
    brought back whole when it is ordered, and whoever makes it anew wants it trained.
    """
    root = out / CHECKPOINTS
    with storage_errors(out):
        shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
    write_json(out / COURSE_FILE, making.model_dump(mode="json"))
    if any((folder / MANIFEST).is_file() for folder in checkpoint_folders(root)):
        return
    found = max(_beginnings(making, out, metrics_file), key=lambda beginning: len(beginning.rows), default=None)
    if found is None:
        return
    write_text(out / metrics_file, "".join(json.dumps(row) + "\n" for row in found.rows))
    evaluations = [row for row in read_evaluations(found.run / EVALUATIONS_FILE) if row["step"] <= len(found.rows)]
    if evaluations:
        write_text(out / EVALUATIONS_FILE, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in evaluations))
    taken = [checkpoint.name for checkpoint in found.checkpoints if _copy(checkpoint, root)]
    if taken:
        steps = f"{_step(Path(taken[-1])):,}"
        say(f"  the first {steps} steps are those of {found.run}, bit for bit: its checkpoints and metrics are taken over")


def _beginnings(making: Making, out: Path, metrics_file: str) -> Iterator[Beginning]:
    """Yield what runs beside `out` kept of the steps up to which they did what this one is to do."""
    for file in sorted(out.parent.glob(f"*/{COURSE_FILE}")):
        run = file.parent
        if run == out:
            continue
        try:
            other = Making.parse(read_object(file), str(file))
        except (ArtifactError, ConfigError):
            continue
        common = 0 if other == making else making.common_steps(other)
        rows = read_rows(run / metrics_file)[:common]
        planned = making.course.learning_rate
        as_planned = (row["lr"] == planned(step) and not _is_healed(row) for step, row in enumerate(rows))
        common = next((step for step, same in enumerate(as_planned) if not same), len(rows))
        finished = (folder for folder in checkpoint_folders(run / CHECKPOINTS) if (folder / MANIFEST).is_file())
        shared = [folder for folder in finished if _step(folder) <= common]
        if shared:
            yield Beginning(run, shared, rows[: _step(shared[-1])])


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def _is_healed(row: dict[str, Any]) -> bool:
    """Return whether the run healed before this step: what it went back to depends on when it saved."""
    return any(isinstance(event, dict) for event in row.get("events", ()))


def _copy(checkpoint: Path, root: Path) -> bool:
    """Copy the checkpoint, whole or not at all; return False if it is damaged, or its run removed it meanwhile."""
    partial = root / _UNFINISHED
    try:
        shutil.copytree(checkpoint, partial)
        whole = not Checkpoint.open(partial).damaged_files()
    except (shutil.Error, FileNotFoundError, ArtifactError):
        whole = False
    if whole:
        with storage_errors(root):
            partial.rename(root / checkpoint.name)
            sync_folder(root)
    else:
        shutil.rmtree(partial, ignore_errors=True)
    return whole
