"""What each process of a run did in a step, as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.artifacts.shares import Share, Shares
from groundup.report.charts import Bar
from groundup.report.ink import Ink

MOST = 24
"""Processes that are shown: of more, those that wait the least and the most."""


@dataclass(frozen=True)
class Process:
    """One process with its number."""

    rank: int
    share: Share
    is_waited_for: bool


def shown(shares: Shares) -> tuple[Process, ...]:
    """Return the processes to show, in their order."""
    return tuple(Process(rank, shares.ranks[rank], rank == shares.waited_for) for rank in shares.some(MOST))


def components(shares: Shares) -> tuple[str, ...]:
    """Return the components of memory that any process holds something of."""
    names = dict.fromkeys(name for share in shares.ranks for name in share.states)
    return tuple(name for name in names if any(share.states.get(name) for share in shares.ranks))


def sharing_bars(processes: Sequence[Process], ink: Ink) -> tuple[Bar, ...]:
    """Return a step of each process: computing, sending or waiting for others, waiting for other stages, all else."""
    return tuple(
        Bar(
            f"process {each.rank}",
            (
                (each.share.computing, ink.accent),
                (each.share.exposed - each.share.bubble, ink.bad),
                (each.share.bubble, ink.bar),
                (each.share.beside, ink.line),
            ),
            f"{each.share.computing:.0%}",
            each.is_waited_for,
        )
        for each in processes
    )
