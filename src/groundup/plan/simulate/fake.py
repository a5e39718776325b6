"""A world without numbers: tensors that have none, and ranks of which one exists."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.testing._internal.distributed.fake_pg import FakeStore

from groundup.core.errors import ConfigError


class FakeTensors(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Tensors made inside have a shape, a dtype and a size, but take no memory; they can be copied with the model they are of."""

    def __deepcopy__(self, memo: Any) -> "FakeTensors":
        return self


@contextlib.contextmanager
def fake_world(size: int) -> Iterator[None]:
    """Be rank 0 of `size` ranks whose collectives move nothing; nothing of it is left afterwards.

    Raises ConfigError inside a run that has a process group of its own.
    """
    if dist.is_initialized():
        raise ConfigError(
            f"a simulation of {size:,} ranks needs a process group of its own, and this process is rank {dist.get_rank()} of "
            f"{dist.get_world_size()} already; simulate outside of torchrun"
        )
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()
