"""Activations that are computed again in the backward pass instead of being kept (Chen et al. 2016; Korthikanti et al. 2022)."""

import logging
from functools import cache, partial
from typing import Any, Final

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, SelectiveCheckpointContext, checkpoint, create_selective_checkpoint_contexts

from groundup.nn.attention import Mechanism
from groundup.train.blocks import Forward, Way
from groundup.train.config import Recompute

_aten = torch.ops.aten
_PRODUCTS: Final = frozenset({_aten.mm.default, _aten.addmm.default})
"""Products of a stream with a matrix of weights; those of queries with keys are batched ones."""
_FUSED_ATTENTION: Final = frozenset(
    {
        _aten._scaled_dot_product_flash_attention_for_cpu.default,
        _aten._scaled_dot_product_flash_attention.default,
        _aten._scaled_dot_product_efficient_attention.default,
        _aten._scaled_dot_product_cudnn_attention.default,
    }
)
"""Kernels that never write scores down; what they return is as small as the queries."""


def recomputing(recompute: Recompute, model: nn.Module) -> Way | None:
    """Return how the model's blocks forget what they can compute again; None if they are to keep everything.

    'full' keeps the stream before each block; 'selective' also the results of products with weights, and of fused attention where
    it has no dropout (random numbers that it does not draw again would be drawn by what comes after it). What is computed again is
    the same, dropout included, and so are the gradients, bit for bit.
    """
    if recompute == "none":
        return None
    if recompute == "full":
        return _forgetting_all
    logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)  # asks that blocks change nothing in place
    draws = any(isinstance(module, Mechanism) and module.dropout for module in model.modules())
    return _keeping_products if draws else _keeping_products_and_attention


@cache
def _forgetting_all(forward: Forward) -> Forward:
    def recomputed(block: nn.Module, *args: Any) -> Any:
        return checkpoint(partial(forward, block), *args, use_reentrant=False)

    return recomputed


@cache
def _keeping_products(forward: Forward) -> Forward:
    def recomputed(block: nn.Module, *args: Any) -> Any:
        return checkpoint(partial(forward, block), *args, use_reentrant=False, context_fn=_KEEP_PRODUCTS)

    return recomputed


@cache
def _keeping_products_and_attention(forward: Forward) -> Forward:
    def recomputed(block: nn.Module, *args: Any) -> Any:
        return checkpoint(partial(forward, block), *args, use_reentrant=False, context_fn=_KEEP_PRODUCTS_AND_ATTENTION)

    return recomputed


def _products(_: SelectiveCheckpointContext, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    return CheckpointPolicy.MUST_SAVE if operation in _PRODUCTS else CheckpointPolicy.PREFER_RECOMPUTE


def _products_and_attention(_: SelectiveCheckpointContext, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    kept = operation in _PRODUCTS or operation in _FUSED_ATTENTION
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


_KEEP_PRODUCTS: Final = partial(create_selective_checkpoint_contexts, _products)
_KEEP_PRODUCTS_AND_ATTENTION: Final = partial(create_selective_checkpoint_contexts, _products_and_attention)
