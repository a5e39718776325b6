"""Save a training run whole, or find it again."""

import contextlib
import errno
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from groundup.artifacts.build import Order, Outcome, seal
from groundup.artifacts.checkpoint import MODEL_CONFIG_FILE, PROGRESS_FILE, STATE_FILE, WEIGHTS_FILE, Checkpoint, checkpoint_folders
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.tokenizer import TOKENIZER_FILES
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object, storage_errors, sync_folder, write_bytes, write_json
from groundup.core.log import say
from groundup.core.patience import patiently
from groundup.nn.config import ModelConfig
from groundup.nn.threads import NUM_THREADS
from groundup.train.snapshot import Snapshot
from groundup.train.state import RunState

_KEEP_WHILE_RUNNING = 2
"""Scheduled checkpoints that a run needs to go back, whatever it keeps in the end: the newest may have been saved too late."""


@dataclass
class CheckpointStore:
    """The folder checkpoints/ of one run.

    A checkpoint is copied and written in a thread while the run goes on; the newest stays in memory, to go back to.
    """

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
    patience_s: float = 0.0
    """How long a full disk or a refused write is waited for."""
    _snapshot: Snapshot = field(default_factory=Snapshot)
    _copied: threading.Event = field(default_factory=threading.Event)
    _writing: Future[None] | None = None

    def due(self, step: int) -> bool:
        """Return whether a checkpoint is scheduled after `step` steps."""
        return step % self.every == 0 or step in self.milestones

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the thread that writes; at the end of the block all is written, and of the scheduled ones `keep` are left.

        Raises StorageError, also from `save` and `wait`, if a checkpoint could not be written.
        """
        self._copied.set()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints") as self._thread:
            yield
            self.wait()
        self._tidy()

    def save(self, run: RunState, before: Callable[[], None]) -> None:
        """Begin to write the checkpoint of the run as it is, and call `before` in between; it exists once it is whole and on disk.

        The run must not be changed before `wait_copied`.
        """
        self.wait()
        self._snapshot.aim(run)
        self._copied.clear()
        self._writing = self._thread.submit(self._write, before, torch.get_num_threads())

    def wait_copied(self) -> None:
        """Wait until the run that is saved may change."""
        self._copied.wait()

    def wait(self) -> None:
        """Wait until what was saved is on disk."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def restore(self, run: RunState) -> None:
        """Make the run that of the newest whole checkpoint, if there is one.

        What a kill left half-written or half-removed is removed; so is a damaged checkpoint, with a word about it.
        """
        for folder in self._folders():
            if self._put_back(folder, run):
                self._remove_old()
                return

    def go_back(self, run: RunState, latest: int) -> bool:
        """Make the run that of the newest scheduled checkpoint of at most `latest` steps, else of the oldest after.

        The newer ones are removed. Returns False, with nothing changed, if there is none.
        """
        self.wait()
        scheduled = [folder for folder in self._folders() if self._is_scheduled(folder)]
        early, late = ([f for f in scheduled if (_step(f) <= latest) == is_early] for is_early in (True, False))
        for folder in [*early, *late[::-1]]:
            if self._snapshot.step == _step(folder):
                self._snapshot.put_back(run)
            elif not self._put_back(folder, run):
                continue
            for newer in self._folders():
                if _step(newer) > run.step:
                    _remove(newer)
            return True
        return False

    def newest(self) -> Path | None:
        """Return the folder of the newest finished checkpoint, None if there is none."""
        self.wait()
        return next((folder for folder in self._folders() if (folder / MANIFEST).is_file()), None)

    def _write(self, before: Callable[[], None], num_threads: int) -> None:
        snapshot = self._snapshot
        try:
            snapshot.copy()
        finally:
            self._copied.set()
        patiently(before, self.patience_s)
        patiently(lambda: self._write_files(snapshot, num_threads), self.patience_s)
        patiently(self._remove_old, self.patience_s)

    def _write_files(self, snapshot: Snapshot, num_threads: int) -> None:
        step, tokens = snapshot.facts["step"], snapshot.facts["tokens"]
        folder = self.root / f"step-{step}"
        with storage_errors(folder):
            if folder.exists():
                _remove(folder)
            folder.mkdir(parents=True)
            _save_tensors(folder / WEIGHTS_FILE, snapshot.weights)
            _save_tensors(folder / STATE_FILE, snapshot.tensors)
            write_json(folder / MODEL_CONFIG_FILE, self.model_config.model_dump(mode="json"))
            for name in TOKENIZER_FILES:
                write_bytes(folder / name, (self.tokenizer / name).read_bytes())
            write_json(folder / PROGRESS_FILE, snapshot.facts)
            sync_folder(self.root)
        seal(replace(self.order, out=folder), Outcome(counts={"step": step, "tokens": tokens, NUM_THREADS: num_threads}))

    def _put_back(self, folder: Path, run: RunState) -> bool:
        """Make the run that of the checkpoint; if it is not whole, remove it and return False."""
        if not (folder / MANIFEST).exists():
            _remove(folder)
            return False
        try:
            checkpoint = Checkpoint.open(folder)
            damaged = checkpoint.damaged_files()
        except ArtifactError as error:
            say(f"{error}; going back to the checkpoint before", style="yellow")
            _remove(folder)
            return False
        if damaged:
            say(f"{folder}: {', '.join(damaged)} damaged (hash differs); going back to the checkpoint before", style="yellow")
            _remove(folder)
            return False
        run.load(load_file(checkpoint.weights), load_file(folder / STATE_FILE), read_object(folder / PROGRESS_FILE))
        return True

    def _folders(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        return checkpoint_folders(self.root)[::-1]

    def _is_scheduled(self, folder: Path) -> bool:
        return self.due(_step(folder))

    def _remove_old(self) -> None:
        """Keep the newest checkpoint, milestones, and the newest scheduled ones: as many as are wanted, and needed to go back."""
        folders = self._folders()
        scheduled = [folder for folder in folders if self._is_scheduled(folder)][: max(self.keep, _KEEP_WHILE_RUNNING)]
        for folder in folders[1:]:
            if folder not in scheduled and _step(folder) not in self.milestones:
                _remove(folder)

    def _tidy(self) -> None:
        """Keep the last checkpoint, with it the newest `keep` of the scheduled ones, and the milestones.

        Which ones remain at the end is the same whether or not the run was stopped and saved in between.
        """
        folders = self._folders()
        kept = [*folders[:1], *filter(self._is_scheduled, folders[1:])][: self.keep]
        for folder in folders:
            if folder not in kept and _step(folder) not in self.milestones:
                _remove(folder)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        save_file(tensors, path)
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
