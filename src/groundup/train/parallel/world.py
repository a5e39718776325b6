"""The processes that a launcher started together: the store of the launcher, and the group that computes together."""

import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import timedelta

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store, TCPStore
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.tensor._redistribute import _gen_transform_infos
from torch.distributed.tensor.debug import _clear_sharding_prop_cache

from groundup.core.errors import ConfigError
from groundup.core.log import complain
from groundup.core.world import World, launched

__all__ = ["CONNECT_S", "TIMEOUT_S", "World", "joined", "launched", "open_store"]
TIMEOUT_S = 60.0
"""How long a process waits for the others in one collective operation."""
CONNECT_S = 30.0
"""How long a process waits for the launcher's store."""

_OTHER_PORT = "give the launch another port (torchrun --master-port, or MASTER_PORT), and the same address to all processes"


@contextlib.contextmanager
def _or_end(seconds: float, why: str) -> Iterator[None]:
    """End the process if the block takes longer: a connection to a stranger has no timeout of its own."""

    def end() -> None:
        complain(why)
        os._exit(ConfigError.exit_code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def open_store(world: World) -> Store:
    """Return the store of this life of the processes.

    In one of torchrun's agents the addresses of the dead are still there after a restart, so each life has a part of its own. One
    of the first process ends with it: there are no parts, since agents of several machines count lives each for itself. Raises
    ConfigError if there is no store at the address that the environment names.
    """
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    except (KeyError, ValueError) as error:
        raise ConfigError(f"a launcher's environment without {error}: start with torchrun, which sets it") from None
    is_host = world.is_first and not is_of_agent()
    try:
        with _or_end(CONNECT_S + 5, f"{host}:{port}: something answers that is no store of a launch; {_OTHER_PORT}"):
            store = TCPStore(
                host,
                port,
                world.size,
                is_master=is_host,
                timeout=timedelta(seconds=CONNECT_S),
                wait_for_workers=False,
                multi_tenant=True,
            )
    except (RuntimeError, ValueError) as error:
        why = "the port is in use" if is_host else "there is no answer"
        raise ConfigError(f"{host}:{port}: {why}; {_OTHER_PORT} ({_first_line(error)})") from None
    return PrefixStore(f"life-{world.life}" if is_of_agent() else "life", store)


def is_of_agent() -> bool:
    """Return whether the store is the launcher's, not the first process'."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


@contextlib.contextmanager
def joined(world: World, backend: str | None = None, timeout_s: float = TIMEOUT_S, what: str = "") -> Iterator[None]:
    """Hold the process group of the world; tensors of the CPU go through gloo, those of a GPU through NCCL.

    `what` it is held for keeps the addresses of several groups, one after the other, apart.
    Raises ConfigError if the processes cannot reach each other.
    """
    if backend is None:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend,
            store=PrefixStore(what, open_store(world)) if what else open_store(world),
            rank=world.rank,
            world_size=world.size,
            timeout=timedelta(seconds=timeout_s),
        )
    except RuntimeError as error:
        interface = os.environ.get("GLOO_SOCKET_IFNAME")
        said = f"GLOO_SOCKET_IFNAME={interface} is not one that reaches them" if interface else "no network interface reaches them"
        raise ConfigError(
            f"the {world.size:,} processes do not meet: {said} ({_first_line(error)}); set GLOO_SOCKET_IFNAME to one of those that "
            "'ip link' shows, lo on a single machine"
        ) from None
    try:
        yield
    finally:
        dist.destroy_process_group()
        forget_meshes()


def forget_meshes() -> None:
    """Let DTensor forget what it knows of meshes: those of another process group that look alike have other groups."""
    _clear_sharding_prop_cache()  # type: ignore[no-untyped-call]
    _gen_transform_infos.cache_clear()


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
