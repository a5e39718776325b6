"""What autograd keeps of a forward pass until the backward pass, from settings alone.

Counted tensor by tensor, as the eager model saves it (tests/estimate/test_memory.py holds the sum against what autograd really
saves).
"""

from dataclasses import replace

from groundup.estimate.parameters import NORM_VECTORS, count_parameters
from groundup.estimate.workload import FP32_BYTES, Workload
from groundup.nn.config import GATED, FeedForwardName

INT64_BYTES = 8
FFN_TENSORS: dict[FeedForwardName, int] = {
    "swiglu": 4,
    "geglu": 4,
    "geglu_tanh": 4,
    "reglu": 3,
    "gelu": 2,
    "gelu_tanh": 2,
    "relu": 1,
    "relu_squared": 2,
    "silu": 2,
}
"""Tensors of the inner width that the backward pass needs: gate and widened stream, before and after the activation, and their
product; ReLU needs its result alone."""
FFN_BACKWARD_TENSORS: dict[FeedForwardName, int] = {
    **dict.fromkeys(("swiglu", "geglu", "geglu_tanh"), 6),
    **dict.fromkeys(("reglu", "relu_squared"), 5),
    **dict.fromkeys(("gelu", "gelu_tanh", "relu", "silu"), 3),
}
"""How many of them are there at once in the layer's backward pass, gradients included."""


def activation_bytes(workload: Workload) -> int:
    """Return what is kept between forward and backward of one micro-batch, weights and their copies aside."""
    model, rows = workload.model, workload.rows
    reads = model.num_encoder_layers > 0
    decoder = _stack_bytes(workload, model.num_layers, rows.target_len, reads, last=True)
    encoder = _stack_bytes(workload, model.num_encoder_layers, rows.read_len, reads=False, last=False) if reads else 0
    return workload.micro_batch * (encoder + decoder) + _position_bytes(workload)


def recomputed_bytes(workload: Workload) -> int:
    """Return what the backward pass of a block needs beside what is kept of it, where it computes that again; 0 where not.

    The most is held at the feed-forward layer, all of the block being there again, or, where scores are written down, at their
    softmax, with two gradients of theirs beside it (with 'selective' a third tensor: measured). A tied head's gradient waits for
    that of the embedding.
    """
    if workload.recompute == "none":
        return 0
    model = workload.model
    blocks = model.num_layers + model.num_encoder_layers
    head = FP32_BYTES * model.vocab_size * model.dim if model.tie_embeddings else 0
    return block_backward_bytes(workload) + head + weight_copy_bytes(replace(workload, recompute="none")) // blocks


def block_backward_bytes(workload: Workload) -> int:
    """Return what the backward pass of a block needs beside what is kept of it: what is computed again, and gradients."""
    model, rows = workload.model, workload.rows
    stacks = [(rows.target_len, model.num_encoder_layers > 0)]
    if model.num_encoder_layers:
        stacks.append((rows.read_len, False))
    stream = workload.stream_bytes * model.dim

    def kept(length: int, reads: bool) -> int:
        if workload.recompute == "none":
            return _block_bytes(workload, length, reads) - length * stream
        return _products_bytes(workload, length, reads)

    return workload.micro_batch * max(_backward_bytes(workload, length, reads) - kept(length, reads) for length, reads in stacks)


def _stack_bytes(workload: Workload, layers: int, length: int, reads: bool, last: bool) -> int:
    """Per row: the blocks, the norm after them and the tokens; the last stack's result belongs to the loss."""
    if workload.recompute == "none":
        block = _block_bytes(workload, length, reads)
    else:
        block = length * workload.stream_bytes * workload.model.dim + _products_bytes(workload, length, reads)
    return layers * block + length * (_norm_bytes(workload, output=not last) + INT64_BYTES)


def _block_bytes(workload: Workload, length: int, reads: bool) -> int:
    """Per row and layer: all that is needed; `reads`: the source, too."""
    itself = length * (_attention_bytes(workload, length) + _feed_forward_bytes(workload))
    return itself + (_across_bytes(workload) if reads else 0)


def _products_bytes(workload: Workload, length: int, reads: bool) -> int:
    """Per row and layer: with 'selective', the results of products with weights, and of fused attention; else nothing."""
    if workload.recompute != "selective":
        return 0
    model, size = workload.model, workload.compute_bytes
    is_fused = workload.attention == "sdpa" and not model.attention_dropout
    mixed = size * model.inner_dim + FP32_BYTES * model.num_heads if is_fused else 0
    asking, answering = size * (model.inner_dim + model.dim), size * 2 * model.kv_dim
    feeding = size * ((2 if model.feed_forward in GATED else 1) * model.ffn_dim + model.dim)
    itself = length * (asking + answering + feeding + (0 if model.position == "t5_bias" else mixed))
    return itself + (length * (asking + mixed) + workload.rows.read_len * answering if reads else 0)


def _backward_bytes(workload: Workload, length: int, reads: bool) -> int:
    """Per row: what one block holds at most in its backward pass, the stream before it and copies of weights aside."""
    model, size = workload.model, workload.compute_bytes
    stream = FP32_BYTES * model.dim
    gradients = size * (FFN_BACKWARD_TENSORS[model.feed_forward] - FFN_TENSORS[model.feed_forward]) * model.ffn_dim
    feeding = _block_bytes(workload, length, reads) + length * (gradients - stream)
    learned_bias = model.position == "t5_bias"
    if workload.attention == "sdpa" and not learned_bias:
        return feeding
    scores = (4 if workload.recompute == "selective" else 3) * _kernel_bytes(workload, length, learned_bias)
    mixing = _norm_bytes(workload) + size * 2 * (model.inner_dim + model.kv_dim) + scores
    return max(feeding, length * mixing)


def _attention_bytes(workload: Workload, length: int) -> int:
    """Per token and layer: the norm; queries, keys, values, mixed values; then the kernel's own."""
    model, size = workload.model, workload.compute_bytes
    return (
        _norm_bytes(workload)
        + size * 2 * (model.inner_dim + model.kv_dim)
        + _kernel_bytes(workload, length, learned_bias=model.position == "t5_bias")
    )


def _across_bytes(workload: Workload) -> int:
    """Per row and layer: the cross-attention, its keys and values being of the source."""
    model, rows = workload.model, workload.rows
    asking = _norm_bytes(workload) + workload.compute_bytes * 2 * model.inner_dim + _kernel_bytes(workload, rows.read_len)
    return rows.target_len * asking + rows.read_len * workload.compute_bytes * 2 * model.kv_dim


def _kernel_bytes(workload: Workload, seen_len: int, learned_bias: bool = False) -> int:
    """Per token: the softmax, or the log-sum-exp; the gradient of a bias that is learned needs the softmax, in float32."""
    heads = workload.model.num_heads
    if workload.attention == "matmul":
        return workload.compute_bytes * heads * seen_len
    return FP32_BYTES * heads * (seen_len if learned_bias else 1)


def _feed_forward_bytes(workload: Workload) -> int:
    """Per token and layer: the norm; what widening, activation and gate keep."""
    return _norm_bytes(workload) + workload.compute_bytes * FFN_TENSORS[workload.model.feed_forward] * workload.model.ffn_dim


def _norm_bytes(workload: Workload, output: bool = True) -> int:
    """Per token: the residual stream before it; what the norm keeps beside it; the result."""
    dim = workload.model.dim
    learned = NORM_VECTORS[workload.model.norm] > 0
    plain = FP32_BYTES * (1 + (dim if learned else 0))  # 1/rms, and the scaled stream for the gradient of the weight
    statistics = plain if workload.model.norm in ("rms", "rms_plain") else FP32_BYTES * 2  # mean and 1/std
    return FP32_BYTES * dim + statistics + (workload.compute_bytes * dim if output else 0)


def _position_bytes(workload: Workload) -> int:
    """Return T5's bucket of each pair; rotary tables cast to the compute dtype, which in float32 are the model's own."""
    if workload.model.position == "t5_bias":
        return INT64_BYTES * sum(length**2 for length in workload.lengths)
    rotary = workload.model.position == "rope" and workload.precision != "fp32"
    return workload.compute_bytes * sum(workload.lengths) * workload.model.rotary_dims if rotary else 0


def weight_copy_bytes(workload: Workload) -> int:
    """Return autocast's copies of all block matrices, kept from the forward to the backward pass; none of weights that need none.

    Where blocks compute again, their copies are made again with them.
    """
    if workload.precision in ("fp32", "bf16_weights") or workload.recompute != "none":
        return 0
    counts = count_parameters(workload.model)
    return workload.compute_bytes * (counts["attention"] + counts["feed_forward"])
