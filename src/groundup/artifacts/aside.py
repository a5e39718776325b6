"""Work of hours that is moved aside, and brought back, where other work would replace it."""

import glob
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from groundup.artifacts.build import Order, goes_on
from groundup.artifacts.manifest import MANIFEST, Manifest
from groundup.artifacts.place import Place, Work, look
from groundup.core.errors import ArtifactError
from groundup.core.files import locked, storage_errors

KEY_LEN = 8
"""Characters of the key in the name of a folder that was moved aside."""


@dataclass(frozen=True)
class Move:
    """A folder and its new name beside the old one: at the same depth, so that relative paths to its inputs stay true."""

    source: Path
    target: Path

    def carry_out(self) -> None:
        """Rename the folder; what is in the way holds nothing that would be missed, and is removed."""
        with locked(self.source), storage_errors(self.source):
            if self.target.exists():
                look(self.target).remove()
            self.source.rename(self.target)
            os.utime(self.target)  # what is drawn from it is older now

    def __str__(self) -> str:
        return f"{self.source} is moved to {self.target}"


def moves(order: Order, remake: bool) -> tuple[Move, ...]:
    """Return what `order` needs so that nothing of hours is replaced: other work goes aside, its own comes back.

    With `remake` its own work goes aside too, and none comes back. Raises ArtifactError if files of others are in the way.
    """
    place = look(order.out)
    if not order.resumable or goes_on(order, place, remake):
        return ()
    away = (Move(order.out, _free_name(place)),) if holds_hours(place) else ()
    kept = None if remake else _find_aside(order)
    return (*away, Move(kept, order.out)) if kept else away


def holds_hours(place: Place) -> bool:
    """Return whether anything was finished there: an artifact, or a checkpoint on the way to one."""
    return next(place.path.rglob(MANIFEST), None) is not None


def is_aside(folder: Path, manifest: Manifest) -> bool:
    """Return whether the folder has the name that a stage's artifact is given when it is moved aside."""
    return folder.name.startswith(f"{manifest.stage}-{manifest.key[:KEY_LEN]}")


def _free_name(place: Place) -> Path:
    name = f"{place.path.name}-{place.work.key[:KEY_LEN] if place.work else 'damaged'}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(place.path.with_name, names) if not path.exists())


def _find_aside(order: Order) -> Path | None:
    """Return where the order's own work was moved to, a finished one first."""
    pattern = f"{glob.escape(order.out.name)}-{order.key()[:KEY_LEN]}*"
    found = [path for path in sorted(order.out.parent.glob(pattern)) if _work(path) == order.work()]
    return min(found, key=lambda path: not (path / MANIFEST).is_file(), default=None)


def _work(folder: Path) -> Work | None:
    try:
        return look(folder).work
    except ArtifactError:
        return None
