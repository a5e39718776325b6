"""The process groups of one comparison, which are of no use to the next."""

import gc

import torch.distributed as dist
from torch.distributed import distributed_c10d
from torch.distributed.tensor.debug import _clear_sharding_prop_cache


def free() -> None:
    """End all groups but that of all ranks: each has threads that wake a hundred times a second. All ranks call this together.

    What is known of operations on one mesh is forgotten, too: it names the groups of that mesh, and would be found again by the
    next that is alike.
    """
    dist.barrier()
    _clear_sharding_prop_cache()  # type: ignore[no-untyped-call]
    for group in list(distributed_c10d._world.pg_map):
        if group is not dist.group.WORLD:
            dist.destroy_process_group(group)
    gc.collect()
