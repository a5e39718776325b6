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
from groundup.train.metrics import read_rows

COURSE_FILE = "course.json"
_UNFINISHED = "taken-over.partial"
_LATER = {"steps", "checkpoint_steps"}
"""What of a plan's decisions says nothing of the first steps' weights."""
_PLANNED = {"steps", "checkpoint_steps", "micro_batch", "precision", "attention", "compile", "seq_len", "batch_tokens"}
"""What of the recipe is settled by the plan's decisions."""
_HARMLESS = {"schedule", "batch_ramp", "lengths", "mixture", "keep_checkpoints", "storage_patience_s"}
"""What of the recipe acts through the course of the steps, or not on the weights."""


class Making(Config):
    """Everything that decides a run's weights: the contents of course.json."""

    config: TrainConfig
    decisions: Decisions
    seed: int
    inputs: dict[str, str]
    """Content hashes of the shards and the tokenizer."""

    @classmethod
    def of(cls, config: TrainConfig, decisions: Decisions, job: Job) -> "Making":
        hashes = {name: job.inputs[name].content_hash for name in ("encode", "tokenizer")}
        return cls(config=config, decisions=decisions, seed=job.seed, inputs=hashes)

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
        return {"config": config, "decisions": self.decisions.model_dump(exclude=_LATER), "seed": self.seed, "inputs": self.inputs}


@dataclass(frozen=True)
class Beginning:
    """A checkpoint of another run, at a step up to which it did what this one would do."""

    checkpoint: Path
    step: int
    run: Path
    rows: list[dict[str, Any]]
    """Metrics of the steps up to it."""


def take_over_beginning(making: Making, out: Path, metrics_file: str) -> None:
    """Write course.json; if `out` holds no checkpoint, copy the latest one that a run beside it shares, with its metrics."""
    root = out / CHECKPOINTS
    with storage_errors(out):
        shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
    write_json(out / COURSE_FILE, making.model_dump(mode="json"))
    if any((folder / MANIFEST).is_file() for folder in checkpoint_folders(root)):
        return
    latest_first = sorted(_beginnings(making, out, metrics_file), key=lambda beginning: -beginning.step)
    found = next((beginning for beginning in latest_first if _copy(beginning.checkpoint, root)), None)
    if found is None:
        return
    write_text(out / metrics_file, "".join(json.dumps(row) + "\n" for row in found.rows))
    with storage_errors(out):
        (root / _UNFINISHED).rename(root / f"step-{found.step}")
        sync_folder(root)
    say(f"  the first {found.step:,} steps are those of {found.run}, bit for bit: its checkpoint and metrics are taken over")


def _beginnings(making: Making, out: Path, metrics_file: str) -> Iterator[Beginning]:
    """Yield the checkpoints of runs beside `out` at steps up to which those did what this one is to do."""
    for file in sorted(out.parent.glob(f"*/{COURSE_FILE}")):
        run = file.parent
        if run == out:
            continue
        try:
            common = making.common_steps(Making.parse(read_object(file), str(file)))
        except (ArtifactError, ConfigError):
            continue
        rows = read_rows(run / metrics_file)[:common]
        planned = making.course.learning_rate
        as_planned = (row["lr"] == planned(step) and not _is_healed(row) for step, row in enumerate(rows))
        common = next((step for step, same in enumerate(as_planned) if not same), len(rows))
        for folder in checkpoint_folders(run / CHECKPOINTS):
            step = int(folder.name.removeprefix("step-"))
            if step <= common and (folder / MANIFEST).is_file():
                yield Beginning(folder, step, run, rows[:step])


def _is_healed(row: dict[str, Any]) -> bool:
    """Return whether the run healed before this step: what it went back to depends on when it saved."""
    return any(isinstance(event, dict) for event in row.get("events", ()))


def _copy(checkpoint: Path, root: Path) -> bool:
    """Copy the checkpoint under a name that stands for none; return False if it is damaged, or its run removed it meanwhile."""
    try:
        shutil.copytree(checkpoint, root / _UNFINISHED)
        whole = not Checkpoint.open(root / _UNFINISHED).damaged_files()
    except (shutil.Error, FileNotFoundError, ArtifactError):
        whole = False
    if not whole:
        shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
    return whole
