"""A rank's part of a weight as one tensor of all ranks."""

from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.placement_types import Placement, Replicate, Shard

from groundup.train.parallel.mesh import Mesh


def local(tensor: Tensor) -> Tensor:
    """Return what this rank holds of a tensor."""
    own: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return own


def sharded(part: Tensor, whole: Tensor, mesh: Mesh) -> DTensor:
    """Return the rows `part` that this rank has of a weight, or of its part of a weight that tensor-parallel ranks share."""
    if isinstance(whole, DTensor):
        return _tensor(part, whole, mesh.rows, (*whole.placements, Replicate(), Shard(0)))
    return _tensor(part, whole, mesh.gradients, (Replicate(), Shard(0)))


def alike(part: Tensor, other: DTensor) -> DTensor:
    """Return the part of a tensor that lies on the ranks as `other` does."""
    return _tensor(part, other, other.device_mesh, other.placements)


def _tensor(part: Tensor, like: Tensor, mesh: DeviceMesh, placements: tuple[Placement, ...]) -> DTensor:
    return DTensor.from_local(part, mesh, placements, run_check=False, shape=like.shape, stride=like.stride())
