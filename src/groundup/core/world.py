"""The processes that a launcher started together, as their environment tells of them."""

import os
from dataclasses import dataclass

from groundup.core.errors import ConfigError


@dataclass(frozen=True)
class World:
    """This process among those of the launcher."""

    rank: int
    size: int
    local_rank: int
    """Among those of this machine."""
    local_size: int = 1
    """Processes of this machine."""
    life: int = 0
    """How often the launcher has started the processes anew."""

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def launched() -> World | None:
    """Return what torchrun says of this process; None if it was started by itself."""
    if "TORCHELASTIC_RUN_ID" not in os.environ and "WORLD_SIZE" not in os.environ:
        return None
    try:
        rank, size, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        local_size, life = (int(os.environ.get(name, value)) for name, value in _DEFAULTS.items())
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"a launcher's environment without a whole number in {error}: start with torchrun, which sets RANK, WORLD_SIZE and "
            "LOCAL_RANK"
        ) from None
    return World(rank, size, local_rank, local_size, life)


_DEFAULTS = {"LOCAL_WORLD_SIZE": "1", "TORCHELASTIC_RESTART_COUNT": "0"}


def threads_of_each(threads: int, local: int) -> int:
    """Return with how many threads each of so many processes of one machine computes, where one alone has `threads`."""
    return max(1, threads // local)


def used_cores(local: int, threads: int, cores: int) -> float:
    """Return how many times the cores of one process alone, which has `threads`, those of one machine use together."""
    return min(local * threads_of_each(threads, local), max(cores, threads)) / threads
