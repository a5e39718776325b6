"""One published number beside ours."""

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[3] / "shared/data"))
PLANNING = DATA / "planning"


@dataclass(frozen=True)
class Check:
    """A number that plans must reproduce."""

    what: str
    expected: float
    ours: float
    tolerance: float
    """Largest difference that passes: a share of `expected`, or with `absolute` in its unit."""
    absolute: bool = False
    note: str = ""

    @property
    def difference(self) -> float:
        """Ours against what is expected: as a share, or with `absolute` in its unit."""
        return self.ours - self.expected if self.absolute else self.ours / self.expected - 1

    @property
    def passed(self) -> bool:
        return abs(self.difference) <= self.tolerance


Row = Callable[[], Iterable[Check]]
"""One row of the list: yields its checks; raises FileNotFoundError where its data is not at hand."""


def read_rows(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table of published runs."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def worst(checks: Iterable[Check], what: str) -> Check:
    """Return the check that is farthest off, named `what`, with how many there were."""
    found = list(checks)
    farthest = max(found, key=lambda check: abs(check.difference) / check.tolerance)
    note = f"worst of {len(found)}: {farthest.what}"
    return Check(what, farthest.expected, farthest.ours, farthest.tolerance, farthest.absolute, note)
