"""What ranks send to each other, counted as the operations that send it are called."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import _world
from torch.utils._pytree import tree_leaves

from groundup.estimate.layout.traffic import Collective, Purpose, Traffic
from groundup.train.parallel.mesh import Mesh


@dataclass(frozen=True)
class _Call:
    """How an operation is read."""

    collective: Collective
    group: int
    """Which of its arguments is the group, or its name."""
    payload: Callable[[Any], Any]
    """The tensors that lie whole on a rank at one end: what is reduced, gathered or sent."""
    parts: Callable[[Any], int] = lambda args: 1
    """How many of them there are."""


_CALLS: Final[dict[str, _Call]] = {
    "c10d::allreduce_": _Call("all_reduce", 1, lambda args: args[0]),
    "c10d::allreduce_coalesced_": _Call("all_reduce", 1, lambda args: args[0]),
    "c10d::_allgather_base_": _Call("all_gather", 2, lambda args: args[0]),
    "c10d::allgather_": _Call("all_gather", 2, lambda args: args[0]),
    "c10d::_reduce_scatter_base_": _Call("reduce_scatter", 2, lambda args: args[1]),
    "c10d::reduce_scatter_": _Call("reduce_scatter", 2, lambda args: args[1]),
    "c10d::broadcast_": _Call("broadcast", 1, lambda args: args[0]),
    "c10d::alltoall_": _Call("all_to_all", 2, lambda args: args[1]),
    "c10d::alltoall_base_": _Call("all_to_all", 2, lambda args: args[1]),
    "c10d::send": _Call("send", 1, lambda args: args[0]),
    "_c10d_functional::all_reduce": _Call("all_reduce", 2, lambda args: args[0]),
    "_c10d_functional::all_reduce_": _Call("all_reduce", 2, lambda args: args[0]),
    "_c10d_functional::all_gather_into_tensor": _Call("all_gather", 2, lambda args: args[0], lambda args: int(args[1])),
    "_c10d_functional::reduce_scatter_tensor": _Call("reduce_scatter", 3, lambda args: args[0]),
    "_c10d_functional::all_to_all_single": _Call("all_to_all", 3, lambda args: args[0]),
    "_c10d_functional::broadcast": _Call("broadcast", 2, lambda args: args[0]),
}


class Sent:
    """Counts what this rank sends, by collective and by the axes that its group lies along."""

    def __init__(self, mesh: Mesh) -> None:
        self._places = mesh.places
        self._purposes: dict[str, Purpose] = {mesh.group(axis).group_name: axis for axis in ("cp", "pp", "tp")}
        self._purposes[mesh.tensor.get_group().group_name] = "tp"
        self._groups: dict[str, Traffic] = {}
        self._found: dict[tuple[Collective, str, Purpose], Traffic] = {}

    @property
    def traffic(self) -> tuple[Traffic, ...]:
        """All that was sent so far, the most first; what groups of the same ranks sent for the same purpose is one."""
        alike: dict[tuple[Collective, tuple[str, ...], Purpose], Traffic] = {}
        for each in self._found.values():
            key = each.collective, each.axes, each.purpose
            alike[key] = alike[key].and_more(each.payload_bytes, each.calls) if key in alike else each
        return tuple(sorted(alike.values(), key=lambda each: -each.wire_bytes))

    def forget(self) -> None:
        """Count anew."""
        self._found.clear()

    def note(self, func: Any, args: Any) -> None:
        """Count an operation if it is one of many ranks."""
        call = _CALLS.get(func.name()) if func.namespace in ("c10d", "_c10d_functional") else None
        if call is None:
            return
        name = _name(args[call.group])
        if name not in self._groups:
            self._groups[name] = self._nothing(name)
        key = call.collective, name, self._purpose(name, call, func)
        before = self._found.get(key, replace(self._groups[name], collective=key[0], purpose=key[2]))
        if before.size == 1:
            return
        tensors = [leaf for leaf in tree_leaves(call.payload(args)) if isinstance(leaf, Tensor)]
        self._found[key] = before.and_more(sum(tensor.nbytes for tensor in tensors) * call.parts(args))

    def _purpose(self, name: str, call: _Call, func: Any) -> Purpose:
        """Return what an operation is for: groups along different axes are one where both have all ranks."""
        known = self._purposes.get(name, "dp")
        if known == "pp":
            return "pp" if call.collective == "send" else "dp"
        return "dp" if known == "cp" and func.namespace == "c10d" else known  # keys and values go by functional operations

    def _nothing(self, name: str) -> Traffic:
        """Return a group that has sent nothing: which axes its ranks differ along, how many they are, and how far apart."""
        group = next(group for group, other in _world.pg_names.items() if other == name)
        ranks = sorted(dist.get_process_group_ranks(group))
        axes = self._places.mesh_dim_names or ()
        places = np.unravel_index(ranks, self._places.shape)
        differ = tuple(axis for axis, along in zip(axes, places, strict=True) if len(set(along.tolist())) > 1)
        stride = min((after - before for before, after in pairwise(ranks)), default=1)
        return Traffic("send", differ, "dp", len(ranks), stride, 0, 0)


def _name(handle: Any) -> str:
    """Return the name of a group, which functional operations are given itself."""
    name: str = handle if isinstance(handle, str) else dist.ProcessGroup.unbox(handle).group_name
    return name
