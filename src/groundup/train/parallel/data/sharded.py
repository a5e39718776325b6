"""Weights, gradients and states shared out among ranks (zero=3)."""

import contextlib
from collections.abc import Iterator
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
            drops = None if self.mesh.layout.pp == 1 else False  # a pipeline runs many micro-batches before their backward passes
            shared = fully_shard(module, mesh=self.mesh.gradients, reshard_after_forward=drops, offload_policy=offload)
            shared.set_gradient_divide_factor(1.0)  # each rank's gradient is divided by the targets of all already
            shared.set_force_sum_reduction_for_comms(True)
        register_fsdp_forward_method(model, "hidden")
        assert isinstance(model, FSDPModule), "fully_shard changes the class"
        self._model = model

    def wrap(self, loss: SummedLoss) -> nn.Module:
        return loss

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        if self.mesh.layout.pp > 1:
            return self._many_passing()
        self._model.set_requires_gradient_sync(is_last)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _many_passing(self) -> Iterator[None]:
        """Keep weights and gradients whole for all passes of a pipeline, of which many are under way, and scatter them then."""
        self._hold(True)
        yield
        self._hold(False)
        state = fully_shard.state(self._model)  # type: ignore[attr-defined]
        for (
            part
        ) in state._state_ctx.all_states:  # what FSDP does in the last of its passes, which it takes to be one after the other
            for group in part._fsdp_param_groups:
                group.post_backward()
        state._root_post_backward_final_callback()

    def _hold(self, whole: bool) -> None:
        self._model.set_requires_gradient_sync(not whole)
        self._model.set_is_last_backward(not whole)
        self._model.set_reshard_after_backward(not whole)

    def finish(self) -> None:
        """Do nothing: the last backward pass waited for the sums."""
