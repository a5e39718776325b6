"""A copy of the model on every rank (zero=0)."""

import contextlib
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import GradBucket
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.parallel.data.base import DataParallel
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn


class Replicas(DataParallel):
    """Gradients are summed while the backward pass goes on, bucket by bucket (Li et al. 2020)."""

    _wrapped: DistributedDataParallel

    def arrange(self, model: Transformer) -> None:
        """Leave the model whole."""

    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        return None

    def wrap(self, loss: SummedLoss) -> nn.Module:
        group = self.mesh.readers()
        self._wrapped = DistributedDataParallel(
            loss,
            process_group=group,
            gradient_as_bucket_view=True,
            forward_sync_buffers=False,  # tables of positions and the like, which follow from settings and never change
        )
        self._wrapped.register_comm_hook(group, _summed)
        return self._wrapped

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if is_last else self._wrapped.no_sync()

    def finish(self) -> None:
        """Do nothing: the last backward pass waited for the sums."""


def _summed(group: dist.ProcessGroup, bucket: GradBucket) -> Future[Tensor]:
    """Sum a bucket; torch's own hook takes the mean, and each rank's gradient is divided by the targets of all already."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert work is not None, "asynchronous"
    return work.get_future().then(lambda _: bucket.buffer())  # type: ignore[no-any-return]
