"""Which processes share what: the one place that makes process groups."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from groundup.train.parallel.config import Layout, check_world


@dataclass(frozen=True)
class Mesh:
    """The ranks of a run along the axes of its layout.

    Ranks are counted with tp innermost, then cp, then those that share states, then copies of these, then pp, then islands that
    train apart: what talks most is nearest.
    """

    layout: Layout
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
        ranks = torch.arange(layout.world_size).view(layout.islands, layout.pp, copies, layout.shards, layout.cp, layout.tp)
        states = ranks.flatten(3, 4)
        is_divided = layout.zero in (1, 2) and layout.tp > 1
        names = ("islands", "pp", "tp", "replicas", "shard")
        return cls(
            layout,
            DeviceMesh(device, states, mesh_dim_names=("islands", "pp", "replicas", "shard", "tp")),
            DeviceMesh(device, ranks, mesh_dim_names=("islands", "pp", "copies", "shard", "cp", "tp")),
            DeviceMesh(device, states.movedim(-1, 2), mesh_dim_names=names) if is_divided else None,
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
        names = self.places.mesh_dim_names
        assert names is not None, "given above"
        columns = self.places.mesh.movedim(names.index(axis), 0)[list(places)].flatten(1).T.tolist()
        groups = {tuple(column): dist.new_group(column) for column in columns}
        return next((group for column, group in groups.items() if dist.get_rank() in column), None)

    @property
    def gradients(self) -> DeviceMesh:
        """[replicas, shard]: ranks whose gradients of the same weights are of different text."""
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
