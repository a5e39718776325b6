"""What each process of a run does in a step: how much it holds, computes, sends, and waits for the others."""

from collections.abc import Iterable
from pathlib import Path

from groundup.core.config import Config
from groundup.core.errors import REMAKE, ArtifactError, ConfigError
from groundup.core.files import read_object
from groundup.core.units import format_bytes

PARALLEL_FILE = "parallel.json"


class Share(Config):
    """One process; shares are of the time of a step."""

    step_s: float
    computing: float
    """Share in which something was computed."""
    communication: float
    """Share in which something was under way to or from others, or waited for."""
    exposed: float
    """Share in which it was and nothing was computed: what communication, and waiting for slower processes, cost."""
    bubble: float
    """Of `exposed`, what was between the stages of a pipeline."""
    products_flops: float
    """Of a step's matrix products, what is computed twice too; fused attention aside."""
    mfu: float
    """These over what the process' share of the machine's measured peak could have done."""
    states: dict[str, int]
    """Bytes that are held as an update begins."""
    peak_memory_bytes: int

    @property
    def beside(self) -> float:
        """Share in which it neither computed nor waited: Python, reading, writing."""
        return max(0.0, 1 - self.computing - self.exposed)


class Shares(Config):
    """parallel.json."""

    steps: tuple[int, int]
    """The first and the last step that were looked at."""
    layout: str
    """In the words of a recipe."""
    scheduled_bubble: float | None
    """Share of a step's passes in which the order of a pipeline lets a process wait, were all stages alike; None without one."""
    waited_for: int
    """The process that itself waits the least: the slowest one."""
    ranks: tuple[Share, ...]

    @property
    def bubble(self) -> float:
        """Mean share of a step in which a process waits for another stage."""
        return sum(share.bubble for share in self.ranks) / len(self.ranks)

    def some(self, most: int) -> list[int]:
        """Return the processes in their order; of more than `most`, those that wait the least and the most."""
        ranks = sorted(range(len(self.ranks)), key=lambda rank: self.ranks[rank].exposed)
        return sorted(ranks if len(ranks) <= most else [*ranks[: most - most // 2], *ranks[len(ranks) - most // 2 :]])

    def summary(self) -> str:
        """Return all in a line."""
        exposed = [share.exposed for share in self.ranks]
        parts = [f"{min(exposed):.1%} to {max(exposed):.1%} of a step is communication that no computing hides"]
        if self.scheduled_bubble is not None:
            parts.append(
                f"{self.bubble:.1%} waits for other stages (the schedule's own: {self.scheduled_bubble:.1%} of the passes)"
            )
        return "; ".join([*parts, f"process {self.waited_for} is waited for most"])

    def lines(self, ranks: Iterable[int]) -> list[str]:
        """Return a line for each of these processes."""
        return [f"process {rank}: {_line(self.ranks[rank])}" for rank in ranks]


def read_shares(path: Path) -> Shares | None:
    """Return what the file tells, None if there is none; raise ArtifactError if it does not fit."""
    if not path.is_file():
        return None
    try:
        return Shares.parse(read_object(path), str(path))
    except ConfigError as error:
        raise ArtifactError(f"{error}; {REMAKE}") from None


def _line(share: Share) -> str:
    waits = f"waits {share.exposed:.1%}" + (f" ({share.bubble:.1%} for other stages)" if share.bubble else "")
    states = ", ".join(f"{name.replace('_', ' ')} {format_bytes(size)}" for name, size in share.states.items() if size)
    return f"computes {share.computing:.1%}, {waits}, MFU {share.mfu:.1%}; {states}; peak {format_bytes(share.peak_memory_bytes)}"
