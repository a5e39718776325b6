"""A world without numbers: tensors that have none, and ranks of which one exists."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, overload

import torch.distributed as dist
import torch.distributed.fsdp._fully_shard._fsdp_param as fsdp
import torch.nn.parallel.distributed as ddp
from torch import Tensor
from torch._C._distributed_c10d import Reducer
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import DeviceMesh
from torch.futures import Future
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import _disable_current_modes

from groundup.core.errors import ConfigError
from groundup.plan.simulate.replaced import replaced
from groundup.train.parallel.world import forget_meshes

_COUNTING: Final = ("__init__", "__getitem__", "_flatten", "_unflatten", "_get_all_submeshes")
"""Methods of a mesh that read the numbers of ranks from tensors of their own."""
_COMPARING: Final = ("_verify_param_shape_across_processes", "_sync_module_states")
"""What DDP begins with: comparing the numbers of all ranks."""


class FakeTensors(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Tensors made inside have a shape, a dtype and a size, but take no memory; they can be copied with the model they are of."""

    def __deepcopy__(self, memo: Any) -> "FakeTensors":
        return self


@contextlib.contextmanager
def fake_world(size: int, rank: int = 0) -> Iterator[None]:
    """Be one of `size` ranks whose collectives move nothing; nothing of it is left afterwards.

    Raises ConfigError inside a run that has a process group of its own.
    """
    if dist.is_initialized():
        raise ConfigError(
            f"a simulation of {size:,} ranks needs a process group of its own, and this process is rank {dist.get_rank()} of "
            f"{dist.get_world_size()} already; simulate outside of torchrun"
        )
    forget_meshes()
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=size)
    try:
        with contextlib.ExitStack() as stack:
            for name in _COUNTING:
                stack.enter_context(replaced(DeviceMesh, name, _with_numbers(getattr(DeviceMesh, name))))
            for name in _COMPARING:
                stack.enter_context(replaced(ddp, name, lambda *args, **kwargs: None))
            stack.enter_context(replaced(Reducer, "_rebuild_buckets", _keep_buckets))
            stack.enter_context(replaced(dist.Work, "get_future", _done))
            stack.enter_context(replaced(fsdp, "_chunk_with_empty", Parts))
            yield
    finally:
        dist.destroy_process_group()
        forget_meshes()


@dataclass(frozen=True)
class Parts(Sequence[Tensor]):
    """The parts of all ranks, each made when it is asked for: FSDP makes all of them to take its own, which of fake tensors takes
    as long as there are ranks."""

    tensor: Tensor
    ranks: int
    dim: int

    def __len__(self) -> int:
        return self.ranks

    @overload
    def __getitem__(self, rank: int) -> Tensor: ...
    @overload
    def __getitem__(self, rank: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, rank: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(rank, slice):
            return [self[each] for each in range(*rank.indices(self.ranks))]
        if not 0 <= rank < self.ranks:
            raise IndexError(rank)
        size = self.tensor.shape[self.dim]
        length = -(-size // self.ranks)
        left = size - rank * length
        return self.tensor.narrow(self.dim, rank * length, min(length, left)) if left > 0 else self.tensor.new_empty(0)


def _keep_buckets(reducer: Reducer) -> bool:
    """Leave DDP's buckets in their first order: the ranks would tell each other another in numbers."""
    return False


def _done(work: dist.Work) -> Future[None]:
    """Return a future that came at once."""
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _with_numbers(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method with real tensors inside."""

    @wraps(method)
    def counting(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return method(*args, **kwargs)

    return counting
