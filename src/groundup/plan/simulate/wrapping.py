"""A model on many ranks, as torch's own wrappers make it."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from groundup.nn.block import Block, ReadingBlock
from groundup.nn.transformer import Transformer
from groundup.plan.simulate.tracker import Component, Tracker
from groundup.train.config import RunPrecision
from groundup.train.parallel.config import Layout

_GATHERED: Final[dict[RunPrecision, torch.dtype]] = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""What sharded weights are brought together in, where it is not float32."""


def shard_mesh(layout: Layout) -> DeviceMesh:
    """Return the mesh along which weights are shared: [copies, shards], or [shards] where there is one copy.

    Under FakeTensorMode it cannot be made: it reads numbers of its own tensors.
    """
    copies = layout.dp // layout.shards
    if copies == 1:
        return init_device_mesh("cpu", (layout.dp,), mesh_dim_names=("shard",))
    return init_device_mesh("cpu", (copies, layout.shards), mesh_dim_names=("replicate", "shard"))


def share_weights(model: Transformer, mesh: DeviceMesh, precision: RunPrecision) -> None:
    """Share the weights of each block, and together those outside of blocks, among the ranks (FSDP2: Zhao et al. 2023).

    Passes see them in the precision of products, gradients are summed in float32, shards and states stay in float32.
    """
    dtype = _GATHERED.get(precision)
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32 if dtype else None)
    for block in blocks(model):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    register_fsdp_forward_method(model, "hidden")


def replicate(model: Transformer, tracker: Tracker) -> "Replicas":
    """Have gradients summed over ranks that hold a copy each (DDP: Li et al. 2020), as torch does it by default."""
    hidden: Callable[..., Any] = model.hidden
    setattr(model, "forward", hidden)  # noqa: B010  what the wrapper calls
    with tracker.making(Component.BUFFERS):
        replicas = Replicas(model, init_sync=False)  # which would compare numbers
    replicas.tracker = tracker
    setattr(model, "hidden", replicas)  # noqa: B010  what a step calls
    return replicas


class Replicas(DistributedDataParallel):
    """DDP, whose buckets are told apart: they are laid out anew before the second forward pass."""

    tracker: Tracker | None = None

    def _pre_forward(self, *inputs: Any, **kwargs: Any) -> Any:
        assert self.tracker is not None, "set before the first pass"
        with self.tracker.making(Component.BUFFERS):
            return super()._pre_forward(*inputs, **kwargs)  # type: ignore[no-untyped-call]


def blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of all stacks."""
    return [block for block in model.modules() if isinstance(block, (Block, ReadingBlock))]


class OwnShards(nn.Module):
    """This rank's parts of shared weights as plain parameters, which an update needs no other rank's for.

    DTensors carry out the same operations on the same parts, but find out the shapes of the whole by making it: fake tensors that
    a tracker would count.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._sharded: list[Any] = list(model.parameters())
        self._own = nn.ParameterList(nn.Parameter(shared._local_tensor) for shared in self._sharded)

    def parameters(self, recurse: bool = True) -> Any:
        """Yield the parts, each with the gradient that the wrapper left for it."""
        for shared, own in zip(self._sharded, self._own, strict=True):
            if shared.grad is not None:
                own.grad, shared.grad = shared.grad._local_tensor, None
            yield own

    def give_to(self, optimizer: Optimizer) -> None:
        """Have the optimizer, which has no state yet, update the parts."""
        own = dict(zip(self._sharded, self._own, strict=True))
        for group in optimizer.param_groups:
            group["params"] = [own[shared] for shared in group["params"]]
