"""The processes that a launcher started together."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import PrefixStore

from groundup.core.errors import ConfigError

TIMEOUT_S = 60.0
"""How long a process waits for the others in one collective operation."""


@dataclass(frozen=True)
class World:
    """This process among those of the launcher."""

    rank: int
    size: int
    local_rank: int
    """Among those of this machine."""


def launched() -> World | None:
    """Return what torchrun says of this process; None if it was started by itself."""
    if "TORCHELASTIC_RUN_ID" not in os.environ and "WORLD_SIZE" not in os.environ:
        return None
    try:
        rank, size, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"a launcher's environment without a whole number in {error}: start with torchrun, which sets RANK, WORLD_SIZE and "
            "LOCAL_RANK"
        ) from None
    return World(rank, size, local_rank)


@contextlib.contextmanager
def joined(world: World, backend: str = "gloo", timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Hold the process group of the world.

    Each life of the processes meets in a part of the launcher's store of its own: after a restart the addresses of the dead are
    still in it.
    """
    life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world.size,
        is_master=world.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        timeout=timedelta(seconds=timeout_s),
        wait_for_workers=False,
    )
    dist.init_process_group(
        backend,
        store=PrefixStore(f"life-{life}", store),
        rank=world.rank,
        world_size=world.size,
        timeout=timedelta(seconds=timeout_s),
    )
    try:
        yield
    finally:
        dist.destroy_process_group()
