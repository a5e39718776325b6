"""What every tracker does."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Values = tuple[int, Mapping[str, float]]
"""A step, and what was measured in it."""
PROJECT = "groundup"


@dataclass(frozen=True)
class Place:
    """What a tracker is told of the run it shows."""

    folder: Path
    """Where the tracker keeps its files, unless its own environment variables say otherwise; not part of any artifact."""
    name: str
    id: str
    """The run's own: the same when it goes on after an interruption."""
    settings: Mapping[str, str]
    """Dotted key -> value, of all settings."""
    given_id: str | None = None
    """What the tracker called the run when it was opened before; None the first time."""
    first_step: int = 1
    """The first step that is still to be sent."""


class Tracker(ABC):
    """Opened with a Place; hands measurements to another tool. Whatever it raises ends the tracking, never the run."""

    id: str | None = None
    """What the tool calls the run, for those that choose it themselves."""

    @abstractmethod
    def __init__(self, place: Place) -> None: ...

    @abstractmethod
    def send(self, rows: Sequence[Values]) -> None:
        """Hand over steps, which rise and never come again."""

    @abstractmethod
    def close(self) -> None:
        """Finish the run over there."""
