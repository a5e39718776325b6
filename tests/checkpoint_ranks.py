"""Two ranks save, fail and restore together; rank 0 prints what each rank found, one JSON object a case."""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
from reshard_worker import Subject, layout_of

from groundup.artifacts.checkpoint import WEIGHTS_FILE
from groundup.core.errors import StorageError
from groundup.train.checkpoint import CheckpointStore
from groundup.train.keeping import Keeping
from groundup.train.parallel.world import joined, launched

LAYOUT, OTHER = "zero3 2", "context 2"
_SMALL_BYTES = 4096


def tell(case: str, found: Any) -> None:
    """Print what all ranks found."""
    of_ranks: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(of_ranks, found)
    if dist.get_rank() == 0:
        sys.stdout.write(json.dumps({"case": case, "ranks": of_ranks}) + "\n")
        sys.stdout.flush()


def opened(subject: Subject, folder: Path) -> CheckpointStore:
    """Return the checkpoints in the folder, to any of which a run may go back."""
    store = subject.store(folder)
    store.keeping = Keeping(every=1, keep=2)
    return store


def restored(layout: str, folder: Path, seed: int) -> Subject:
    """Return a fresh run that goes on from what lies in the folder."""
    subject = Subject.on(layout_of(layout), seed=1)
    torch.manual_seed(seed)
    opened(subject, folder).restore(subject.run)
    return subject


def random_states(folder: Path) -> None:
    """Each rank's random numbers go on in the same layout; in another they are new ones, which depend on seed and step alone."""
    subject = Subject.on(layout_of(LAYOUT), seed=0)
    subject.train(1)
    torch.manual_seed(dist.get_rank())
    torch.rand(3)
    store = opened(subject, folder)
    with store.opened():
        store.save(subject.run, before=lambda: None)
    expected = torch.rand(3)
    restored(LAYOUT, folder, seed=9)
    tell("the same layout", torch.equal(torch.rand(3), expected))
    draws = []
    for seed in (dist.get_rank(), dist.get_rank(), 9):
        restored(OTHER, folder, seed)
        draws.append(torch.rand(3).tolist())
    tell("another layout", draws)


def a_full_disk(folder: Path) -> None:
    """What fails on rank 1 alone fails on both; the checkpoint before stays, and the next one is written."""
    subject = restored(LAYOUT, folder, seed=0)
    subject.train(1)
    store = opened(subject, folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with store.opened():
        if dist.get_rank() == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL_BYTES, limits[1]))
        store.save(subject.run, before=lambda: None)
        try:
            store.wait()
            failure = None
        except StorageError as error:
            failure = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        found = store.newest()
        tell("a full disk", {"failure": failure, "newest": found.name if found else None})
        store.save(subject.run, before=lambda: None)
        store.wait()
        found = store.newest()
        tell("room again", found.name if found else None)


def going_back(folder: Path) -> None:
    """From memory, and from a file: every rank's part is as it was."""
    subject = restored(LAYOUT, folder, seed=0)
    store = opened(subject, folder)
    with store.opened():
        store.save(subject.run, before=lambda: None)
        store.wait()
        first = subject.train(2, before_update=store.wait_copied)
        is_back = store.go_back(subject.run, latest=subject.run.step)
        tell("going back", is_back and subject.train(2) == first)


def a_missing_file(folder: Path) -> None:
    """A checkpoint without one of its files is passed over by all, with a word about which."""
    if dist.get_rank() == 0:
        (folder / "step-2" / WEIGHTS_FILE).unlink()
    dist.barrier()
    tell("a missing file", restored(LAYOUT, folder, seed=0).run.step)


def main() -> None:
    """Run every case in one launch."""
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    folder = Path(sys.argv[1])
    with joined(world):
        random_states(folder)
        a_full_disk(folder)
        going_back(folder)
        a_missing_file(folder)


if __name__ == "__main__":
    main()
