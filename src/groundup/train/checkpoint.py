"""Save a training run whole, or find it again."""

import errno
import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from groundup.artifacts.build import Order, Outcome, seal
from groundup.artifacts.checkpoint import MODEL_CONFIG_FILE, PROGRESS_FILE, STATE_FILE, WEIGHTS_FILE, Checkpoint, checkpoint_folders
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.tokenizer import TOKENIZER_FILES
from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors, sync_folder, write_bytes, write_json
from groundup.core.log import say
from groundup.nn.config import ModelConfig
from groundup.nn.threads import NUM_THREADS
from groundup.train.optim.state import load_state_tensors, state_tensors

_OPTIMIZER = "optimizer."
_RANDOM = "random."


@dataclass(frozen=True)
class CheckpointStore:
    """The folder checkpoints/ of one run."""

    root: Path
    order: Order
    """What a checkpoint's manifest says of its making; `out` is each checkpoint's own."""
    model_config: ModelConfig
    tokenizer: Path
    """Folder of the tokenizer that goes along."""
    every: int
    """Steps between scheduled checkpoints; the last step's is scheduled too."""
    keep: int
    """Scheduled checkpoints kept, newest first."""
    milestones: frozenset[int] = frozenset()
    """Steps whose checkpoints are scheduled too, and kept to the end."""

    def due(self, step: int) -> bool:
        """Return whether a checkpoint is scheduled after `step` steps."""
        return step % self.every == 0 or step in self.milestones

    def save(self, step: int, tokens: int, model: nn.Module, optimizer: Optimizer) -> None:
        """Write the checkpoint of the run after `step` steps; it exists only once it is whole and on disk."""
        folder = self.root / f"step-{step}"
        with storage_errors(folder):
            if folder.exists():
                _remove(folder)
            folder.mkdir(parents=True)
            _save_tensors(folder / WEIGHTS_FILE, model.state_dict())
            _save_tensors(folder / STATE_FILE, _state(optimizer))
            write_json(folder / MODEL_CONFIG_FILE, self.model_config.model_dump(mode="json"))
            for name in TOKENIZER_FILES:
                write_bytes(folder / name, (self.tokenizer / name).read_bytes())
            write_json(folder / PROGRESS_FILE, {"step": step, "tokens": tokens})
            sync_folder(self.root)
        counts = {"step": step, "tokens": tokens, NUM_THREADS: torch.get_num_threads()}
        seal(replace(self.order, out=folder), Outcome(counts=counts))
        self._remove_old()

    def restore(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Put the newest whole checkpoint into model and optimizer and return its step; 0 if there is none.

        What a kill left half-written or half-removed is removed; so is a damaged checkpoint, with a word about it.
        """
        for folder in self._folders():
            if not (folder / MANIFEST).exists():
                _remove(folder)
                continue
            try:
                checkpoint = Checkpoint.open(folder)
                damaged = checkpoint.damaged_files()
            except ArtifactError as error:
                say(f"{error}; going back to the checkpoint before", style="yellow")
                _remove(folder)
                continue
            if damaged:
                say(f"{folder}: {', '.join(damaged)} damaged (hash differs); going back to the checkpoint before", style="yellow")
                _remove(folder)
                continue
            _load(checkpoint, model, optimizer)
            self._remove_old()
            return checkpoint.step
        return 0

    def newest(self) -> Path | None:
        """Return the folder of the newest finished checkpoint, None if there is none."""
        return next((folder for folder in self._folders() if (folder / MANIFEST).is_file()), None)

    def _folders(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        return checkpoint_folders(self.root)[::-1]

    def _remove_old(self) -> None:
        """Keep the newest checkpoint, the newest `keep` of the scheduled ones, and the milestones.

        Which ones remain at the end is thereby the same whether or not the run was stopped and saved in between.
        """
        newest, *older = self._folders()
        steps = {folder: int(folder.name.removeprefix("step-")) for folder in older}
        scheduled = [newest, *(folder for folder in older if self.due(steps[folder]))]
        for folder in older:
            if folder not in scheduled[: self.keep] and steps[folder] not in self.milestones:
                _remove(folder)


def _state(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return all that, beside the weights, decides how the run goes on."""
    state = {_OPTIMIZER + name: tensor for name, tensor in state_tensors(optimizer).items()}
    state[_RANDOM + "cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        state[_RANDOM + "cuda"] = torch.cuda.get_rng_state()
    return state


def _load(checkpoint: Checkpoint, model: nn.Module, optimizer: Optimizer) -> None:
    model.load_state_dict(load_file(checkpoint.weights))
    state = load_file(checkpoint.path / STATE_FILE)
    load_state_tensors(optimizer, {n.removeprefix(_OPTIMIZER): t for n, t in state.items() if n.startswith(_OPTIMIZER)})
    torch.set_rng_state(state[_RANDOM + "cpu"])
    if torch.cuda.is_available() and _RANDOM + "cuda" in state:
        torch.cuda.set_rng_state(state[_RANDOM + "cuda"])


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:  # the library tells the operating system's error in words only
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from None
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(folder: Path) -> None:
    """Remove a checkpoint so that a kill in between leaves none, never a part that looks whole."""
    with storage_errors(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder)
