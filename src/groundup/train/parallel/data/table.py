"""Every way of data parallelism, by what its ranks share."""

from typing import Final

from groundup.core.errors import ConfigError
from groundup.train.config import RunPrecision
from groundup.train.parallel.config import Zero
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.replicas import Replicas
from groundup.train.parallel.data.sharded import Sharded
from groundup.train.parallel.data.summed_once import SummedOnce
from groundup.train.parallel.data.updated_shards import UpdatedShards
from groundup.train.parallel.mesh import Mesh

DATA_PARALLEL: Final[dict[Zero, type[DataParallel]]] = {0: Replicas, 1: UpdatedShards, 2: UpdatedShards, 3: Sharded}


def data_parallel(mesh: Mesh, precision: RunPrecision) -> DataParallel:
    """Return the way that the layout says.

    Raises ConfigError where states are to lie in the memory of the host and are not apart from what passes compute with.
    """
    layout = mesh.layout
    possible = {0: ("none",), 1: ("none", "optimizer"), 2: ("none", "optimizer"), 3: ("none", "all")}[layout.zero]
    if layout.offload not in possible:
        raise ConfigError(
            f"parallel.offload={layout.offload} with parallel.zero={layout.zero}: training has offload=optimizer with zero=1 or 2, "
            f"and offload=all with zero=3; set parallel.offload to {' or '.join(possible)}, or parallel.zero to one of these"
        )
    if layout.zero == 0 and (layout.pp * layout.tp > 1 or precision == "bf16_weights"):
        return SummedOnce(mesh, precision)
    return DATA_PARALLEL[layout.zero](mesh, precision)
