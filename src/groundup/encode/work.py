"""Encode the pieces that are not there yet, in processes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from groundup.core.engines import Engine, Workers, open_engine
from groundup.core.errors import WorkerError
from groundup.core.files import storage_errors
from groundup.core.log import say
from groundup.core.progress import progress
from groundup.core.units import format_bytes
from groundup.encode.forecast import IN_PROCESS_BYTES, Forecast, check_disk, forecast
from groundup.encode.pieces import Piece, Task, encode, is_encoded


def encode_pieces(tasks: Sequence[Task], workers: Workers, folder: Path) -> None:
    """Leave all pieces encoded in the folder, and nothing else; those that an earlier try finished are kept.

    Raises WorkerError if a worker dies.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {task.piece.path(folder) for task in tasks}
        for path in set(folder.iterdir()) - wanted:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    todo = [task for task in tasks if not is_encoded(task.piece, folder)]
    if len(todo) < len(tasks):
        say(f"  encode: {len(tasks) - len(todo):,} of {len(tasks):,} pieces are there from before")
    size = sum(task.piece.text_bytes for task in todo)
    if size <= IN_PROCESS_BYTES:
        workers = Workers("local", 1)
    with open_engine(workers) as engine:
        if size > IN_PROCESS_BYTES:
            _say_forecast(tasks, todo, engine, folder)
        _encode(todo, engine, workers)


def foresee_work(tasks: Sequence[Task], workers: Workers) -> Forecast | None:
    """Return what it takes to encode the pieces that are not there yet; None if there is no text."""
    todo = [task for task in tasks if not is_encoded(task.piece, task.folder)]
    small = sum(task.piece.text_bytes for task in todo) <= IN_PROCESS_BYTES
    return forecast(tasks, todo, 1 if small else workers.count) if tasks else None


def _say_forecast(tasks: Sequence[Task], todo: Sequence[Task], engine: Engine, folder: Path) -> None:
    """Say what encoding takes; raise BudgetError if the disk is too small."""
    found = forecast(tasks, todo, engine.workers, engine)
    check_disk(found, folder)
    say(f"  encode: {found.words()}")


def _encode(todo: Sequence[Task], engine: Engine, workers: Workers) -> None:
    left = list(range(len(todo)))
    with progress("encode", sum(task.piece.text_bytes for task in todo)) as bar:
        try:
            for position, _ in engine.run(encode, todo):
                left.remove(position)
                bar.advance(todo[position].piece.text_bytes, f"{len(todo) - len(left):,} of {len(todo):,} pieces")
        except WorkerError as error:
            raise WorkerError(f"encode: {_at_work([todo[number].piece for number in left], workers)}: {error}") from None


def _at_work(left: Sequence[Piece], workers: Workers) -> str:
    """Return which pieces were being encoded: they are taken in order."""
    first = left[: workers.count]
    return f"at {' or '.join(map(str, first))}, {format_bytes(max(piece.text_bytes for piece in first))} of text each at most"
