"""Checkpoints: a model with its tokenizer and, to go on training, the state of its run."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.tokenizer import TOKENIZER_FILE
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object

WEIGHTS_FILE = "model.safetensors"
MODEL_CONFIG_FILE = "model.json"
STATE_FILE = "state.safetensors"
PROGRESS_FILE = "progress.json"
IMPORT_FILE = "import.json"
"""What was found of a model that another tool trained: format, params, verified, max_logit_difference."""
CHECKPOINTS = "checkpoints"
BEST_FILE = "best.json"
"""In the folder of the checkpoints: step and held-out loss of the one that predicts held-out text best."""
BEST = "best"
"""Name under a run that stands for that checkpoint."""


@dataclass(frozen=True)
class Checkpoint(Artifact):
    """One saved moment of a training run.

    model.safetensors (weights), model.json (ModelConfig), tokenizer.json; state.safetensors (optimizer, random state)
    and progress.json (step, tokens) to go on from it.
    """

    kind: ClassVar[str] = "checkpoint"

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE

    @property
    def tokenizer_file(self) -> Path:
        return self.path / TOKENIZER_FILE

    @property
    def model_config(self) -> dict[str, Any]:
        return read_object(self.path / MODEL_CONFIG_FILE)

    @property
    def imported(self) -> dict[str, Any]:
        """What the import found, of a checkpoint that another tool trained."""
        return read_object(self.path / IMPORT_FILE)

    @property
    def step(self) -> int:
        return int(self.manifest.counts["step"])


@dataclass(frozen=True)
class TrainingRun(Artifact):
    """The pretrain stage's artifact: metrics.jsonl, memory.json and checkpoints/step-N/."""

    kind: ClassVar[str] = "training-run"

    @property
    def final(self) -> Checkpoint:
        """The last checkpoint."""
        return Checkpoint.open(self.path / CHECKPOINTS / f"step-{self.manifest.counts['steps']}")


def checkpoint_folders(root: Path) -> list[Path]:
    """Return the folders step-N under `root` by rising N, unfinished ones too."""
    numbered = [(int(match[1]), path) for path in root.glob("step-*") if (match := re.fullmatch(r"step-(\d+)", path.name))]
    return [path for _, path in sorted(numbered)]


def find_checkpoint(path: Path) -> Checkpoint:
    """Open the checkpoint that `path` names: one itself, a training run, or a run of the line (their last one).

    RUN/best is the one of the run that predicted held-out text best. Raises ArtifactError if there is none.
    """
    if path.name == BEST and not path.exists():
        return _find_best(path.parent)
    for folder in (path, path / "pretrain"):
        if (folder / MANIFEST).is_file() and Artifact.open(folder).manifest.kind == Checkpoint.kind:
            return Checkpoint.open(folder)
        finished = [step for step in checkpoint_folders(folder / CHECKPOINTS) if (step / MANIFEST).is_file()]
        if finished:
            return Checkpoint.open(finished[-1])
    raise ArtifactError(
        f"{path}: neither a checkpoint nor a folder with checkpoints; 'groundup run' or 'groundup pretrain' makes one"
    )


def _find_best(run: Path) -> Checkpoint:
    for folder in (run, run / CHECKPOINTS, run / "pretrain" / CHECKPOINTS):
        if (folder / BEST_FILE).is_file():
            step = read_object(folder / BEST_FILE).get("step")
            return Checkpoint.open(folder / f"step-{step}")
    raise ArtifactError(
        f"{run}: no {BEST_FILE} says which checkpoint is the best: held-out text was not scored while it was trained "
        "(pretrain.evaluate), or no checkpoint was saved since"
    )
