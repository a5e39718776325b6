"""What a rank of a pipeline holds of a model, and what one stage computes with it."""

import copy
from collections.abc import Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from groundup.nn.config import ModelConfig
from groundup.nn.positions import POSITIONS
from groundup.nn.stack import ReadingStack, Stack
from groundup.nn.transformer import Inputs, Transformer
from groundup.nn.view import view_itself, view_source
from groundup.train.parallel.pipeline.split import ADDED, Part, Run

Streams = tuple[Tensor, ...]
"""What goes from stage to stage [batch, seq, dim]: the residual stream, and the encoder's result as long as a decoder reads it."""


def keep(model: Transformer, parts: Sequence[Part]) -> None:
    """Take from the model, in place, what none of the parts needs; names stay those of the whole model.

    Its `hidden` is from then on `run_stage`.
    """
    config = model.config
    for name in ("encoder", "decoder"):
        runs = [run for part in parts for run in part.runs if run.stack == name]
        stack = model._modules.get(name)
        if not runs:
            _drop(model, name)
        elif isinstance(stack, (Stack, ReadingStack)):
            _keep_runs(stack, runs, config)
    for name in ("embedding", "segments"):
        if not any(part.holds(f"{name}.weight", config) for part in parts):
            _drop(model, name)
    if not any(part.is_last for part in parts):
        _drop(model, "head")
    setattr(model, "hidden", MethodType(run_stage, model))  # noqa: B010  to a type checker a method stays


def _drop(module: nn.Module, name: str) -> None:
    if name in module._modules:
        module.register_module(name, None)


def _keep_runs(stack: Stack | ReadingStack, runs: Sequence[Run], config: ModelConfig) -> None:
    """Drop other blocks, and what is done before the first block and after the last if they are not among them."""
    for name in list(stack.blocks._modules):
        if not any(int(name) in run.blocks for run in runs):
            del stack.blocks._modules[name]  # by itself, a list would count the others anew
    _keep_ends(stack, any(run.begins for run in runs), any(run.ends for run in runs), config)


def _keep_ends(stack: Stack | ReadingStack, begins: bool, ends: bool, config: ModelConfig) -> None:
    """Let the stack do nothing before its first block, or after its last, unless it begins or ends here."""
    if not begins:
        stack.embedding_norm = stack.dropout = nn.Identity()
        if config.position in ADDED:
            stack.position = POSITIONS["none"](config, True)
    if not ends:
        stack.norm = nn.Identity()


class Stage(nn.Module):
    """The weights of one stage, which are those of a rank's model."""

    def __init__(self, model: Transformer, part: Part) -> None:
        super().__init__()
        self.part = part
        self.tables = nn.ModuleList([table for table in (model.embedding, model.segments) if part.embeds and table is not None])
        self.stacks = nn.ModuleDict({run.stack: _piece(getattr(model, run.stack), run, model.config) for run in part.runs})


def _piece(stack: Stack | ReadingStack, run: Run, config: ModelConfig) -> Stack | ReadingStack:
    """Return some blocks of the stack as one of its own; its modules and hooks are those of the stack."""
    piece = copy.copy(stack)
    piece._modules = dict(stack._modules)
    piece.blocks = nn.ModuleList([block for name, block in stack.blocks.named_children() if int(name) in run.blocks])
    _keep_ends(piece, run.begins, run.ends, config)
    return piece


def run_stage(model: Transformer, stage: Stage, inputs: Inputs, *streams: Tensor) -> Tensor | Streams:
    """Return what the stage hands on, or, of the last one, the vectors that the head gets; `streams`: what it was handed."""
    streams = tuple(_DenseGradient.apply(stream) for stream in streams)  # type: ignore[no-untyped-call]
    for run in stage.part.runs:
        stack = stage.stacks[run.stack]
        if isinstance(stack, ReadingStack):
            streams = _read(model, stack, run, inputs, streams)
        else:
            streams = (_pass_through(model, stack, run, inputs if inputs.source is None else inputs.source, streams),)
    sent = tuple(stream.contiguous() for stream in streams)
    return sent if len(sent) > 1 else sent[0]


def _pass_through(model: Transformer, stack: nn.Module, run: Run, inputs: Inputs, streams: Streams) -> Tensor:
    """Return the stream after some blocks of an encoder, or of a decoder by itself."""
    length = inputs.tokens.shape[1]
    view = view_itself(0, length, run.stack == "decoder", inputs.tokens.device, inputs.document_ids, inputs.prefix)
    return stack(_begun(model, run, inputs, streams), view)  # type: ignore[no-any-return]


def _read(model: Transformer, stack: ReadingStack, run: Run, inputs: Inputs, streams: Streams) -> Streams:
    """Return the stream after some blocks of a decoder that reads a source, and, if others follow, the encoder's result."""
    source, length, device = inputs.source, inputs.tokens.shape[1], inputs.tokens.device
    assert source is not None, "every pass brings the source"
    ids = inputs.document_ids if source.document_ids is not None else None
    view = view_itself(0, length, True, device, inputs.document_ids)
    across = view_source(length, source.tokens.shape[1], device, ids, source.document_ids)
    encoded = streams[-1]
    stream = stack(_begun(model, run, inputs, streams), view, encoded, across)
    return (stream,) if run.ends else (stream, encoded.clone())  # what is sent is no view of what came


def _begun(model: Transformer, run: Run, inputs: Inputs, streams: Streams) -> Tensor:
    """Return the stream before the first of the blocks."""
    if not run.begins:
        return streams[0]
    model.check_length(inputs.tokens.shape[1])
    return model.embed(inputs)


class _DenseGradient(torch.autograd.Function):
    """Nothing, but that the gradient lies densely in memory when it is sent back."""

    @staticmethod
    def forward(ctx: Any, stream: Tensor) -> Tensor:
        return stream.view_as(stream)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous()
