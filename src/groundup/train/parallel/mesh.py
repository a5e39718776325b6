"""Which processes share what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from groundup.train.parallel.config import Layout, check_world
from groundup.train.parallel.groups import Grid, along, among

PLACES: Final = ("islands", "pp", "copies", "shard", "cp", "tp")


@dataclass(frozen=True, eq=False)
class Mesh:
    """The ranks of a run along the axes of its layout.

    Ranks are counted with tp innermost, then cp, then those that share states, then copies of these, then pp, then islands that
    train apart: what talks most is nearest.
    """

    layout: Layout
    ranks: Grid
    """The numbers of all ranks by their places."""
    states: DeviceMesh
    """[islands, pp, replicas, shard, tp]: what ranks share by zero, those of one context group share, too."""
    places: DeviceMesh
    """[islands, pp, copies, shard, cp, tp]."""
    divided: DeviceMesh | None
    """[islands, pp, tp, replicas, shard], where zero is 1 or 2 and matrices are shared."""

    @classmethod
    def of(cls, layout: Layout, device: str = "cpu") -> "Mesh":
        """Return the mesh of the process group that there is; all ranks call this together.

        Raises ConfigError if the layout wants another number of ranks.
        """
        check_world(layout, dist.get_world_size())
        copies = layout.dp // layout.islands // layout.shards
        sizes = (layout.islands, layout.pp, copies, layout.shards, layout.cp, layout.tp)
        ranks = np.arange(layout.world_size).reshape(sizes)
        states = ranks.reshape(*sizes[:3], layout.shards * layout.cp, layout.tp)
        is_divided = layout.zero in (1, 2) and layout.tp > 1
        return cls(
            layout,
            ranks,
            _mesh(device, states, ("islands", "pp", "replicas", "shard", "tp")),
            _mesh(device, ranks, PLACES),
            _mesh(device, np.moveaxis(states, -1, 2), ("islands", "pp", "tp", "replicas", "shard")) if is_divided else None,
        )

    def place(self, axis: str) -> int:
        """Return where this rank stands along an axis of `places`."""
        return self.places.get_local_rank(axis)

    @property
    def data_rank(self) -> int:
        """Which part of a batch this rank reads, of `layout.dp`."""
        of_island = self.place("copies") * self.layout.shards + self.place("shard")
        return self.place("islands") * (self.layout.dp // self.layout.islands) + of_island

    def group(self, axis: str) -> dist.ProcessGroup:
        """Return the ranks along one axis of `places`."""
        return self.places.get_group(axis)

    def part_of(self, axis: str, places: tuple[int, ...]) -> dist.ProcessGroup | None:
        """Return the ranks at these places of an axis; None if this is none of them. All ranks call this together."""
        return among(np.moveaxis(self.ranks, PLACES.index(axis), -1)[..., list(places)].reshape(-1, len(places)))

    def readers(self) -> dist.ProcessGroup:
        """Return the ranks whose gradients of the same weights are of different text; all ranks call this together."""
        return along(self.ranks, *(PLACES.index(axis) for axis in ("copies", "shard", "cp")))

    @property
    def gradients(self) -> DeviceMesh:
        """[replicas, shard]: the `readers`."""
        return self.states["replicas", "shard"]

    @property
    def rows(self) -> DeviceMesh:
        """[tp, replicas, shard]: ranks in the order in which matrices are divided first, and then the rows of their parts."""
        assert self.divided is not None, "zero is 1 or 2"
        return self.divided["tp", "replicas", "shard"]

    @property
    def tensor(self) -> DeviceMesh:
        """[tp]: ranks that share each matrix."""
        return self.states["tp"]


def _mesh(device: str, ranks: Grid, axes: Sequence[str]) -> DeviceMesh:
    groups = [along(ranks, axis) for axis in range(ranks.ndim)]
    return DeviceMesh.from_group(groups, device, ranks, mesh_dim_names=tuple(axes))
