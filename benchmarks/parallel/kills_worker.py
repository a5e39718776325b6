"""One rank of a run that saves after every step and is killed again and again (see kills.py).

    torchrun --nproc-per-node N kills_worker.py --folder DIR --layout 'zero3 2' --until 1000 [--every 1]

Rank 0 prints the step that the run goes on from, then each step; every rank prints its process id.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from modes import TASKS
from reshard_worker import TASK, Subject, layout_of

from groundup.train.keeping import Keeping
from groundup.train.parallel.world import joined, launched

DROPOUT = 0.1
"""Random numbers of each rank that are to go on as they were."""


def tell(text: str) -> None:
    """Print a line at once, whole."""
    os.write(sys.stdout.fileno(), f"{text}\n".encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Go on from the newest checkpoint, and save after every so many steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--layout", required=True)
    parser.add_argument("--until", type=int, required=True)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    world = launched()
    rank = world.rank if world else 0
    TASKS[TASK] = replace(TASKS[TASK], model=TASKS[TASK].model.model_copy(update={"dropout": DROPOUT}))
    with joined(world) if world else contextlib.nullcontext():
        subject = Subject.on(layout_of(given.layout), seed=0)
        torch.manual_seed(rank)
        store = subject.store(given.folder / "checkpoints")
        store.keeping = Keeping(given.every, 1)
        store.restore(subject.run)
        tell(f"rank {rank} {os.getpid()}")
        if rank == 0:
            tell(f"from {subject.run.step}")
        with store.opened():
            while subject.run.step < given.until:
                subject.train(1, before_update=store.wait_copied)
                if store.due(subject.run.step) or subject.run.step == given.until:
                    store.save(subject.run, before=lambda: None)
                if rank == 0:
                    tell(f"step {subject.run.step}")


if __name__ == "__main__":
    main()
