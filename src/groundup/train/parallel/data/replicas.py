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
    """Gradients are summed while the backward pass goes on, bucket by bucket (Li et al. 2020).

    They lie in the buckets from the first micro-batch on: none is beside them.
    """

    _wrapped: DistributedDataParallel
    _weights: list[nn.Parameter]
    _gradients: list[Tensor]
    """Of the weights, as views of the buckets."""

    def arrange(self, model: Transformer) -> None:
        """Leave the model whole."""

    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        return None

    def wrap(self, loss: SummedLoss) -> nn.Module:
        group = self.mesh.readers()
        self._weights = [weight for weight in loss.parameters() if weight.requires_grad]
        for weight in self._weights:
            weight.grad = weight.new_zeros(()).expand_as(weight)  # DDP moves gradients that it finds into its buckets
        self._wrapped = DistributedDataParallel(
            loss,
            process_group=group,
            gradient_as_bucket_view=True,
            forward_sync_buffers=False,  # tables of positions and the like, which follow from settings and never change
        )
        self._wrapped.register_comm_hook(group, _summed)
        self.finish()
        for weight in self._weights:
            weight.grad = None
        return self._wrapped

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        if is_last:
            return contextlib.nullcontext()  # what has no gradient gets one in the buckets
        for weight, gradient in zip(self._weights, self._gradients, strict=True):
            if weight.grad is None:
                weight.grad = gradient.zero_()
        return self._wrapped.no_sync()

    def finish(self) -> None:
        """Note where gradients lie: the last backward pass waited for the sums."""
        self._wrapped.reducer._rebuild_buckets()  # once, in the order of the first passes; later there are activations, too
        self._gradients = [weight.grad for weight in self._weights if weight.grad is not None]


def _summed(group: dist.ProcessGroup, bucket: GradBucket) -> Future[Tensor]:
    """Sum a bucket; torch's own hook takes the mean, and each rank's gradient is divided by the targets of all already."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert work is not None, "asynchronous"
    return work.get_future().then(lambda _: bucket.buffer())  # type: ignore[no-any-return]
