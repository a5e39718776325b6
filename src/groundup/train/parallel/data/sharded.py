"""Weights, gradients and states shared out among ranks (zero=3)."""

import contextlib
from typing import Any

from torch import nn
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard, register_fsdp_forward_method

from groundup.nn.block import Block, ReadingBlock
from groundup.nn.transformer import Transformer
from groundup.train.parallel.data.base import DataParallel
from groundup.train.passes import SummedLoss


class Sharded(DataParallel):
    """Each block's weights are brought together for its passes and dropped again (FSDP: Zhao et al. 2023; Rajbhandari et al. 2020).

    Along `replicas` there are copies of the shards (hybrid sharding).
    """

    _model: FSDPModule

    def arrange(self, model: Transformer) -> None:
        offload = CPUOffloadPolicy(pin_memory=False) if self.mesh.layout.offload == "all" else OffloadPolicy()
        blocks = [block for block in model.modules() if isinstance(block, (Block, ReadingBlock))]
        for module in (*blocks, model):
            shared = fully_shard(module, mesh=self.mesh.gradients, offload_policy=offload)
            shared.set_gradient_divide_factor(1.0)  # each rank's gradient is divided by the targets of all already
            shared.set_force_sum_reduction_for_comms(True)
        register_fsdp_forward_method(model, "hidden")
        assert isinstance(model, FSDPModule), "fully_shard changes the class"
        self._model = model

    def wrap(self, loss: SummedLoss) -> nn.Module:
        return loss

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        self._model.set_requires_gradient_sync(is_last)
        return contextlib.nullcontext()

    def finish(self) -> None:
        """Do nothing: the last backward pass waited for the sums."""
