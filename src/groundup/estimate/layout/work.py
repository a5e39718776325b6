"""What one row of a batch asks of a device: products, scores, and bytes that pass its memory."""

from dataclasses import dataclass

from groundup.estimate.activations import FFN_TENSORS
from groundup.estimate.flops import flops_per_row, recomputed_flops_per_row
from groundup.estimate.layout.problem import Problem
from groundup.estimate.parameters import head_parameters
from groundup.estimate.workload import FP32_BYTES
from groundup.train.config import Recompute

STREAM_TENSORS = 4
"""Tensors of the stream's width that a block keeps: what its two norms read and what they give."""
SCORE_TENSORS = 2
"""Tensors as large as the scores that are kept where a kernel writes them down: scores and softmax."""


@dataclass(frozen=True)
class Work:
    """One row's forward and backward pass through the whole model; FLOPs as published figures count them."""

    products_flops: float
    """Of the blocks' products with weights."""
    scores_flops: float
    """Of the products of queries, keys and values."""
    head_flops: float
    stream_bytes: float
    """What the blocks keep of the residual stream for the backward pass, before and after norms."""
    inner_bytes: float
    """What they keep inside attention and feed-forward layer; both are the measure of what passes the memory between products."""
    logits_bytes: float
    """The logits in float32."""


def work_of(problem: Problem) -> Work:
    """Return the work of one row."""
    model, rows = problem.model, problem.rows
    total = flops_per_row(model, rows)
    head = 6 * head_parameters(model) * rows.predicted_len
    scores = 3 * recomputed_flops_per_row(model, rows, "selective", "matmul")
    return Work(
        products_flops=total - head - scores,
        scores_flops=scores,
        head_flops=head,
        stream_bytes=problem.compute_bytes * _stream_elements(problem),
        inner_bytes=problem.compute_bytes * _inner_elements(problem),
        logits_bytes=FP32_BYTES * model.vocab_size * rows.predicted_len,
    )


def writes_scores(problem: Problem) -> bool:
    """Return whether attention passes its scores through memory: no fused kernel, or a bias that is learned."""
    return problem.attention == "matmul" or problem.model.position == "t5_bias" or problem.model.attention_dropout > 0


def recomputed_work(problem: Problem, work: Work, recompute: Recompute) -> Work:
    """Return what of the work is done once more where blocks are not kept; the forward pass is a third of each part."""
    if recompute == "none":
        return Work(0, 0, 0, 0, 0, 0)
    products = work.products_flops if recompute == "full" else 0.0
    scores = work.scores_flops if recompute == "full" or writes_scores(problem) else 0.0
    return Work(products / 3, scores / 3, 0, work.stream_bytes / 3, work.inner_bytes / 3, 0)


def _stream_elements(problem: Problem) -> float:
    """Per row: what norms read and what they give; of cross-attention, too."""
    model, rows = problem.model, problem.rows
    across = 2 * model.num_layers * rows.target_len if model.num_encoder_layers else 0
    blocks = model.num_layers * rows.target_len + model.num_encoder_layers * rows.read_len
    return float(model.dim * (STREAM_TENSORS * blocks + across))


def _inner_elements(problem: Problem) -> float:
    """Per row: queries, keys, values, their mixture, the feed-forward layer, written scores."""
    model, rows = problem.model, problem.rows
    decoder = model.num_layers * rows.target_len * _block_elements(problem, rows.target_len)
    if not model.num_encoder_layers:
        return decoder
    asking = rows.target_len * (2 * model.inner_dim + _score_elements(problem, rows.read_len))
    across = model.num_layers * (asking + rows.read_len * 2 * model.kv_dim)
    return decoder + across + model.num_encoder_layers * rows.read_len * _block_elements(problem, rows.read_len)


def _block_elements(problem: Problem, seen_len: int) -> float:
    model = problem.model
    attention = 2 * (model.inner_dim + model.kv_dim) + _score_elements(problem, seen_len)
    return attention + FFN_TENSORS[model.feed_forward] * model.ffn_dim


def _score_elements(problem: Problem, seen_len: int) -> float:
    """Per token: none where a fused kernel keeps scores to itself."""
    return SCORE_TENSORS * problem.model.num_heads * seen_len if writes_scores(problem) else 0
