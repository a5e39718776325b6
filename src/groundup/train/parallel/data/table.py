"""Every way of data parallelism, by what its ranks share."""

from typing import Final

from groundup.train.parallel.config import Zero
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.data.replicas import Replicas
from groundup.train.parallel.data.sharded import Sharded

DATA_PARALLEL: Final[dict[Zero, type[DataParallel]]] = {0: Replicas, 3: Sharded}
