"""Save a training run whole, or find it again."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from groundup.artifacts.build import Order, Outcome, seal
from groundup.artifacts.checkpoint import (
    BEST_FILE,
    MODEL_CONFIG_FILE,
    PROGRESS_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    checkpoint_folders,
)
from groundup.artifacts.differences import differences
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.tokenizer import TOKENIZER_FILES
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object, storage_errors, sync_folder, write_bytes, write_json
from groundup.core.log import say
from groundup.core.patience import patiently
from groundup.nn.config import ModelConfig
from groundup.nn.threads import NUM_THREADS
from groundup.train.keeping import Keeping
from groundup.train.ranks import ALONE, Ranks
from groundup.train.snapshot import Snapshot
from groundup.train.state import RunState
from groundup.train.storage import Storage


@dataclass
class CheckpointStore:
    """The folder checkpoints/ of one run.

    A checkpoint is copied and written in a thread while the run goes on; the newest stays in memory, to go back to. All processes
    of the run call the same methods at the same steps; the first one decides, removes, and writes what all know.
    """

    root: Path
    order: Order
    """What a checkpoint's manifest says of its making; `out` is each checkpoint's own."""
    model_config: ModelConfig
    tokenizer: Path
    """Folder of the tokenizer that goes along."""
    keeping: Keeping
    patience_s: float = 0.0
    """How long a full disk or a refused write is waited for."""
    clock: Callable[[], float] = time.monotonic
    ranks: Ranks = ALONE
    _storage: Storage = field(init=False)
    _snapshot: Snapshot = field(init=False)
    _copied: threading.Event = field(default_factory=threading.Event)
    _writing: Future[None] | None = None
    _saved_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._saved_s = self.clock()
        self._storage = self.ranks.storage()
        self._snapshot = Snapshot(self._storage.copied)

    def due(self, step: int) -> bool:
        """Return whether a checkpoint is to be saved after `step` steps."""
        return self.keeping.is_due(step, self.clock() - self._saved_s)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the thread that writes; at the end of the block all is written, and what is not to stay is removed.

        Raises StorageError, also from `save` and `wait`, if a checkpoint could not be written.
        """
        self._copied.set()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints") as self._thread:
            yield
            self.wait()
        self._remove_others(self.keeping.at_the_end)

    def save(self, run: RunState, before: Callable[[], None]) -> None:
        """Begin to write the checkpoint of the run as it is, and call `before` in between; it exists once it is whole and on disk.

        The run must not be changed before `wait_copied`.
        """
        self.wait()
        self._saved_s = self.clock()
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
        for folder in self._storage.first(self._folders):
            if self._put_back(folder, run):
                self._remove_others(self.keeping.while_running)
                return

    def go_back(self, run: RunState, latest: int) -> bool:
        """Make the run that of the newest regular checkpoint of at most `latest` steps, else of the oldest after.

        The newer ones are removed. Returns False, with nothing changed, if there is none.
        """
        self.wait()
        regular = [folder for folder in self._storage.first(self._folders) if self.keeping.is_regular(_step(folder))]
        early, late = ([f for f in regular if (_step(f) <= latest) == is_early] for is_early in (True, False))
        for folder in [*early, *late[::-1]]:
            if self._snapshot.step == _step(folder):
                self._snapshot.put_back(run)
            elif not self._put_back(folder, run):
                continue
            self._remove_others(lambda steps: {step for step in steps if step <= run.step})
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
        patiently(lambda: self._storage.together(before), self.patience_s)
        patiently(lambda: self._write_files(snapshot, num_threads), self.patience_s)
        patiently(lambda: self._remove_others(self.keeping.while_running), self.patience_s)

    def _write_files(self, snapshot: Snapshot, num_threads: int) -> None:
        folder = self.root / f"step-{snapshot.step}"
        self._storage.first(lambda: self._begin(folder))
        with storage_errors(folder):
            self._storage.write(folder / WEIGHTS_FILE, snapshot.weights)
            self._storage.write(folder / STATE_FILE, snapshot.tensors)
        self._storage.first(lambda: self._finish(folder, snapshot, num_threads))

    def _begin(self, folder: Path) -> None:
        with storage_errors(folder):
            if folder.exists():
                _remove(folder)
            folder.mkdir(parents=True)

    def _finish(self, folder: Path, snapshot: Snapshot, num_threads: int) -> None:
        """Write what all processes know, and the manifest last."""
        with storage_errors(folder):
            write_json(folder / MODEL_CONFIG_FILE, self.model_config.model_dump(mode="json"))
            for name in TOKENIZER_FILES:
                write_bytes(folder / name, (self.tokenizer / name).read_bytes())
            write_json(folder / PROGRESS_FILE, snapshot.facts)
            sync_folder(self.root)
        counts = {"step": snapshot.facts["step"], "tokens": snapshot.facts["tokens"], NUM_THREADS: num_threads}
        seal(replace(self.order, out=folder), Outcome(counts=counts))

    def _put_back(self, folder: Path, run: RunState) -> bool:
        """Make the run that of the checkpoint; if it is not whole, remove it and return False."""
        if not self._storage.first(lambda: self._is_whole(folder)):
            return False
        weights, state = (self._storage.read(folder / name, run.like) for name in (WEIGHTS_FILE, STATE_FILE))
        run.load(weights, state, self._storage.first(lambda: read_object(folder / PROGRESS_FILE)))
        return True

    def _is_whole(self, folder: Path) -> bool:
        """Return whether the checkpoint is whole; remove it if not.

        Raises ArtifactError if it is of another model than the run's.
        """
        if not (folder / MANIFEST).exists():
            _remove(folder)
            return False
        try:
            damaged = Checkpoint.open(folder).damaged_files()
        except ArtifactError as error:
            say(f"{error}; going back to the checkpoint before", style="yellow")
            _remove(folder)
            return False
        if damaged:
            say(f"{folder}: {', '.join(damaged)} damaged (hash differs); going back to the checkpoint before", style="yellow")
            _remove(folder)
            return False
        self._check_model(folder)
        return True

    def _check_model(self, folder: Path) -> None:
        """Raise ArtifactError if the checkpoint is of another model than the run's."""
        there, here = read_object(folder / MODEL_CONFIG_FILE), self.model_config.model_dump(mode="json")
        if there != here:
            differing = differences("model", {"config": there}, {"config": here})
            raise ArtifactError(f"{folder}: a checkpoint of another model ({differing}); move it away, or choose another --out")

    def _folders(self) -> list[Path]:
        """Return the checkpoint folders, newest first."""
        return checkpoint_folders(self.root)[::-1]

    def _remove_others(self, kept: Callable[[Sequence[int]], set[int]]) -> None:
        self._storage.first(lambda: self._remove_others_here(kept))

    def _remove_others_here(self, kept: Callable[[Sequence[int]], set[int]]) -> None:
        """Leave the checkpoints of the steps that `kept` returns, given those of all; note which of them is the best."""
        folders = {_step(folder): folder for folder in self._folders()}
        staying = kept(list(folders))
        best = self.keeping.best(staying)
        if best is not None:
            write_json(self.root / BEST_FILE, {"step": best, "loss": self.keeping.losses()[best]})
        else:
            (self.root / BEST_FILE).unlink(missing_ok=True)
        for step in folders.keys() - staying:
            _remove(folders[step])


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _remove(folder: Path) -> None:
    """Remove a checkpoint so that a kill in between leaves none, never a part that looks whole."""
    with storage_errors(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder)
