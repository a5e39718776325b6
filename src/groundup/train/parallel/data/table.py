"""Every way of data parallelism, by what its ranks share."""

from typing import Final

from groundup.train.parallel.config import Layout, Zero
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.replicas import Replicas
from groundup.train.parallel.data.sharded import Sharded
from groundup.train.parallel.data.summed_once import SummedOnce

DATA_PARALLEL: Final[dict[Zero, type[DataParallel]]] = {0: Replicas, 3: Sharded}


def data_parallel(layout: Layout) -> type[DataParallel]:
    """Return the way of the layout; torch's DDP knows neither passes of a pipeline nor weights of which a rank has a part."""
    return SummedOnce if layout.zero == 0 and layout.pp * layout.tp > 1 else DATA_PARALLEL[layout.zero]
