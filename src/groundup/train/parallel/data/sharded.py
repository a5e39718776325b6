"""Weights, gradients and states shared out among ranks (zero=3)."""

import contextlib
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Final

import torch
from torch import nn
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    FSDPModule,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
    register_fsdp_forward_method,
)

from groundup.nn.block import Block, ReadingBlock
from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer
from groundup.train.config import RunPrecision
from groundup.train.parallel.data.base import DataParallel
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn

GATHERED: Final[dict[RunPrecision, torch.dtype]] = {
    "bf16": torch.bfloat16,
    "bf16_weights": torch.bfloat16,
    "fp16": torch.float16,
}
"""What sharded weights are brought together in, where it is not what they are held in."""


class Sharded(DataParallel):
    """Each block's weights are brought together for its passes and dropped again (Zhao et al. 2023; Rajbhandari et al. 2020).

    Along `replicas` there are copies of the shards (hybrid sharding). Shards are in 32 bits; in 16-bit precisions passes see them
    rounded, and gradients are summed in 32. They are scattered after every micro-batch, so that no rank holds them whole, and
    summed over copies after the last.
    """

    _model: FSDPModule

    def arrange(self, model: Transformer) -> None:
        layout, dtype = self.mesh.layout, GATHERED.get(self.precision)
        reshards = layout.pp == 1 if layout.reshard_after_forward is None else layout.reshard_after_forward
        wrapped = partial(
            fully_shard,
            mesh=self.mesh.gradients,
            mp_policy=MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32 if dtype else None),
            offload_policy=CPUOffloadPolicy(pin_memory=_has_accelerator()) if layout.offload == "all" else OffloadPolicy(),
        )
        blocks = [block for block in model.modules() if isinstance(block, (Block, ReadingBlock))]
        units = [wrapped(block, reshard_after_forward=reshards) for block in blocks]
        for unit in (*units, wrapped(model, reshard_after_forward=False)):
            unit.set_gradient_divide_factor(1.0)  # each rank's gradient is divided by the targets of all already
            unit.set_force_sum_reduction_for_comms(True)
        for one, other in pairwise(units) if layout.pp == 1 else ():
            one.set_modules_to_forward_prefetch([other])
            other.set_modules_to_backward_prefetch([one])
        register_fsdp_forward_method(model, "hidden")
        assert isinstance(model, FSDPModule), "fully_shard changes the class"
        self._model = model

    def stand_in(self, model: Transformer | Classifier) -> StandIn | None:
        return None

    def wrap(self, loss: SummedLoss) -> nn.Module:
        return loss

    def passing(self, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        if self.mesh.layout.pp > 1:
            return self._many_passing()
        self._model.set_requires_all_reduce(is_last)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _many_passing(self) -> Iterator[None]:
        """Keep weights and gradients whole for all passes of a pipeline, of which many are under way, and scatter them then."""
        self._hold(True)
        yield
        self._hold(False)
        state = fully_shard.state(self._model)  # type: ignore[attr-defined]
        for part in state._state_ctx.all_states:  # FSDP does this in its last pass, which it takes to come after all others
            for group in part._fsdp_param_groups:
                group.post_backward()
        state._root_post_backward_final_callback()

    def _hold(self, whole: bool) -> None:
        self._model.set_requires_gradient_sync(not whole)
        self._model.set_is_last_backward(not whole)
        self._model.set_reshard_after_backward(not whole)

    def finish(self) -> None:
        """Do nothing: the last backward pass waited for the sums."""


def _has_accelerator() -> bool:
    """Return whether memory can be pinned."""
    return torch.accelerator.is_available()
