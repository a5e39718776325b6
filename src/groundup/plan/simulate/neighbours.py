"""What a stage of a pipeline is told by the stages before and after it, which do not exist."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining._utils import (
    _derive_grad_metas,
    _StageBackwardMeta,
    _StageForwardMeta,
    extract_tensor_metas,
)

from groundup.nn.config import ModelConfig
from groundup.nn.residual import FINAL_NORM
from groundup.nn.transformer import Inputs
from groundup.plan.simulate.replaced import replaced
from groundup.train.parallel.config import Layout
from groundup.train.parallel.data.sharded import GATHERED
from groundup.train.parallel.pipeline.split import Part


class Neighbours:
    """The other stages, as far as a stage of the layout asks them: for the shapes of what they send."""

    def __init__(self, config: ModelConfig, layout: Layout) -> None:
        self._config, self._layout = config, layout

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Let stages of torch's pipelines ask here."""
        with (
            replaced(PipelineStage, "_recv_meta", lambda stage, other: self.tell(stage, other=other)),
            replaced(PipelineStage, "_send_meta", lambda stage, told, other: self.take(told, other)),
        ):
            yield

    def streams(self, part: Part, inputs: Inputs) -> list[torch.Tensor]:
        """Return tensors like those that the stage before `part` hands on for the inputs of a micro-batch."""
        rows, target_len = inputs.tokens.shape
        sequence, heads = self._layout.cp, self._layout.tp
        target = rows, target_len // (sequence * heads)
        first = part.runs[0]
        if inputs.source is None:
            return [self._stream(*target)]
        source_len = inputs.source.tokens.shape[1] // sequence
        if first.stack == "encoder":
            return [self._stream(rows, source_len // heads)]
        encoded = self._computed(rows, source_len)  # a norm's result, brought together for all layers that read it
        return [encoded] if first.begins else [self._stream(*target), encoded]

    def take(self, told: Any, other: int) -> None:
        """Do nothing with what stage `other` is told."""

    def tell(self, stage: Any, other: int) -> _StageForwardMeta | _StageBackwardMeta:
        """Return what torch's stage `other` tells `stage`: what it hands on, or the gradients of what it was handed."""
        if other > stage.stage_index:
            return _StageBackwardMeta(backward_metas=_derive_grad_metas(stage._stage_meta.outputs))
        chunk = stage.submod
        metas = extract_tensor_metas(tuple(self.streams(chunk.stage.part, chunk.task.batches[0].inputs)))
        assert metas is not None, "there are streams"
        return _StageForwardMeta(forward_metas=metas)

    def _stream(self, rows: int, length: int) -> torch.Tensor:
        """Return a stream in the precision of the weights that passes see: under autocast, products and norms are narrower."""
        layout = self._layout
        if layout.zero == 3 or layout.precision == "bf16_weights" or self._config.residual not in FINAL_NORM:
            return self._computed(rows, length)
        return self._empty(rows, length, torch.float32)

    def _computed(self, rows: int, length: int) -> torch.Tensor:
        """Return what products, or norms, have made."""
        return self._empty(rows, length, GATHERED.get(self._layout.precision, torch.float32))

    def _empty(self, rows: int, length: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(rows, length, self._config.dim, dtype=dtype, requires_grad=True)
