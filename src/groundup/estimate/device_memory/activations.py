"""What is kept of a forward pass on one device, tensor by tensor, as stacks for many devices keep it.

Korthikanti et al. 2022 count 34 s b h + 5 a s^2 b bytes a layer for a GPT in 16 bits with dropout; here each of those tensors
stands by itself, so that grouped keys, gates, other norms, fused attention and compilation count as what they are.
"""

from typing import Literal, NamedTuple

from groundup.estimate.activations import FFN_BACKWARD_TENSORS, FFN_TENSORS
from groundup.estimate.device_memory.stages import Stage
from groundup.estimate.device_memory.terms import Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.parameters import BLOCK_NORMS
from groundup.estimate.workload import FP32_BYTES
from groundup.nn.config import GATED, ModelConfig

KORTHIKANTI = "Korthikanti et al. 2022, equations 1 to 6"
MASK_BYTES = 1
Split = Literal["sequence", "tensor", "none"]


class Kept(NamedTuple):
    """A tensor that is kept, in bytes a token."""

    name: str
    num_bytes: float
    split: Split
    """What divides it among tensor-parallel ranks: sequence parallelism, the matrix itself, or nothing."""


def block_tensors(method: Method, model: ModelConfig, length: int, read_len: int, reads: bool) -> list[Kept]:
    """Return all tensors of a block that a backward pass needs, in bytes for each token of its own `length`.

    `reads`: the block also attends to `read_len` tokens of a source, whose keys and values count per token of the target.
    """
    size = method.compute_bytes
    parts = 3 if reads else 2
    kept = _norms(method, model, parts) + _attention(method, model, "attention", length, 1.0)
    if reads:
        kept += _attention(method, model, "cross-attention", read_len, read_len / length)
    inner = _inner_tensors(method, model)
    kept.append(Kept("feed-forward", size * inner * model.ffn_dim, "tensor"))
    if model.dropout and not method.training.compiled:
        kept.append(Kept("dropout masks", MASK_BYTES * parts * model.dim, "sequence"))
    return kept


def kept_tensors(method: Method, model: ModelConfig, length: int, read_len: int, reads: bool) -> list[Kept]:
    """Return those that stay from the forward to the backward pass under the layout's recomputation."""
    everything = block_tensors(method, model, length, read_len, reads)
    start = Kept("block's input", method.stream_bytes * model.dim, "sequence")
    if method.layout.recompute == "none":
        return everything
    if method.layout.recompute == "full":
        return [start]
    if method.selective == "attention":
        return [tensor for tensor in everything if "scores" not in tensor.name]
    if method.selective == "second_block":
        return [Kept(tensor.name, tensor.num_bytes / 2, tensor.split) for tensor in [start, *everything]]
    alternate = method.selective == "alternate_products"
    return [
        start,
        *_products(method, model, alternate, 1.0),
        *(_products(method, model, alternate, read_len / length, True) if reads else []),
    ]


def bytes_on_device(method: Method, tensors: list[Kept], tokens: float) -> float:
    """Return what they take on one rank of tensor parallelism."""
    ways = {"sequence": method.sequence_split, "tensor": method.layout.tp, "none": 1}
    return tokens * sum(tensor.num_bytes / ways[tensor.split] for tensor in tensors)


def in_flight(method: Method, stage: Stage) -> float:
    """Return the micro-batches whose activations a stage of the pipeline holds at once (Narayanan et al. 2021, section 2.2;
    zero bubble: Qi et al. 2023, ZB-H1, which keeps the memory of 1F1B but holds it on all stages)."""
    pp, chunks = method.layout.pp, method.training.model_chunks
    if pp == 1:
        return 1
    schedule = method.layout.schedule or "1f1b"
    count = method.training.num_micro_batches or (pp if schedule == "gpipe" else 1 << 30)
    if schedule == "gpipe":
        return count
    if schedule == "zero_bubble":
        return min(pp, count)
    if schedule == "interleaved":
        # warm-up: 2 (p - i - 1) + (v - 1) p + 1 pieces of 1/v of a stage each; on the first stage p (1 + (p - 1) / (p v))
        return min(count, (2 * (pp - stage.index - 1) + (chunks - 1) * pp + 1) / chunks)
    return min(pp - stage.index, count)


def activation_terms(method: Method, model: ModelConfig, stage: Stage) -> list[Term]:
    """Return what a stage keeps from the forward to the backward pass."""
    flying = in_flight(method, stage)
    terms = []
    for length, blocks, reads in _stacks(method, model, stage):
        tokens = _tokens(method, length)
        kept = kept_tensors(method, model, length, method.training.rows.read_len, reads)
        block = bytes_on_device(method, kept, tokens)
        names = f"{blocks} blocks x {tokens:,.0f} tokens x {block / tokens:,.0f} B ({_list(kept)})"
        times = f" x {flying:g} micro-batches in flight" if flying != 1 else ""
        terms.append(Term("activations", round(flying * blocks * block), "kept of the blocks", names + times, KORTHIKANTI))
    ends = _ends(method, model, stage)
    terms.append(Term("activations", round(ends), "embeddings and last norm", f"{ends:,.0f} B on this stage"))
    return terms


def backward_bytes(method: Method, model: ModelConfig, stage: Stage) -> int:
    """Return what the backward pass of a block needs beside what is kept: what is computed again, and gradients."""
    read_len = method.training.rows.read_len
    return round(
        max(
            bytes_on_device(method, _backward_tensors(method, model, length, read_len, reads), _tokens(method, length))
            for length, _, reads in _stacks(method, model, stage)
        )
    )


def _stacks(method: Method, model: ModelConfig, stage: Stage) -> list[tuple[int, int, bool]]:
    """Return length, number of blocks and whether they read a source, of each stack that the stage has a part in."""
    rows = method.training.rows
    stacks = [(rows.target_len, stage.blocks, model.num_encoder_layers > 0), (rows.read_len, stage.encoder_blocks, False)]
    return [stack for stack in stacks if stack[1]]


def _tokens(method: Method, length: int) -> float:
    """Return the tokens of a micro-batch on one rank of context parallelism."""
    return method.layout.micro_batch * length / method.layout.cp


def _backward_tensors(method: Method, model: ModelConfig, length: int, read_len: int, reads: bool) -> list[Kept]:
    """Return what one block needs in its backward pass beyond what is kept of it: all of it anew, and gradients."""
    size = method.compute_bytes
    gradients = FFN_BACKWARD_TENSORS[model.feed_forward] - FFN_TENSORS[model.feed_forward]
    tensors = [
        Kept("gradients of the feed-forward", size * max(1, gradients) * model.ffn_dim, "tensor"),
        Kept("gradient of the stream", 2 * method.stream_bytes * model.dim, "sequence"),
    ]
    if is_written(method, model):
        tensors.append(Kept("gradients of scores", 2 * size * model.num_heads * (read_len if reads else length), "tensor"))
    if method.layout.recompute == "none":
        return tensors
    kept = {tensor.name for tensor in kept_tensors(method, model, length, read_len, reads)}
    return tensors + [tensor for tensor in block_tensors(method, model, length, read_len, reads) if tensor.name not in kept]


def is_written(method: Method, model: ModelConfig) -> bool:
    """Return whether scores are written to memory: a bias on them asks for that in the published stacks (T5, BLOOM)."""
    return method.training.attention == "matmul" or model.position in ("t5_bias", "alibi")


def kv_heads_on_device(model: ModelConfig, tp: int) -> float:
    """Return heads of keys and values on one rank, times tp: more ranks than heads hold copies."""
    return max(model.num_kv_heads, tp) / tp


def _norms(method: Method, model: ModelConfig, parts: int) -> list[Kept]:
    count = BLOCK_NORMS[model.residual] * parts + (1 if model.residual == "parallel_shared" else 0)
    size, dim = method.compute_bytes, model.dim
    stream = Kept("norms' inputs", count * method.stream_bytes * dim, "sequence")
    statistics = Kept("norms' statistics", count * FP32_BYTES * (2 if model.norm.startswith("layer") else 1), "sequence")
    if method.training.compiled:
        return [stream, statistics]  # results are computed again with what reads them
    gathered: Split = "none" if method.software == "torch" else "sequence"
    kept = [stream, statistics, Kept("norms' results", count * size * dim, gathered if method.layout.tp > 1 else "sequence")]
    if model.norm == "rms":  # built of plain operations: the float32 copy of the stream, and the scaled one
        wide = FP32_BYTES * dim if method.stream_bytes < FP32_BYTES else 0
        kept.append(Kept("norms' float32 copies", count * (wide + method.stream_bytes * dim), "sequence"))
    return kept


def _attention(method: Method, model: ModelConfig, name: str, seen_len: int, source: float) -> list[Kept]:
    """`source`: tokens that are seen for each token that asks, 1 in self-attention."""
    size, tp, heads = method.compute_bytes, method.layout.tp, model.num_heads
    keys = 2 * size * kv_heads_on_device(model, tp) * tp * model.head_dim * source
    kept = [Kept(f"{name}: queries, keys, values, result", 2 * size * model.inner_dim + keys, "tensor")]
    if model.qk_norm:
        kept.append(Kept(f"{name}: before norms of heads", size * model.inner_dim + keys / 2, "tensor"))
    if not is_written(method, model):
        kept.append(Kept(f"{name}: log-sum-exp", FP32_BYTES * heads, "tensor"))
        return kept
    dropped = size + MASK_BYTES if model.attention_dropout else 0
    kept.append(Kept(f"{name}: scores", heads * seen_len * (size + dropped), "tensor"))
    return kept


def _inner_tensors(method: Method, model: ModelConfig) -> int:
    """Compiled, activations and products are computed again from what the products with weights gave."""
    if method.training.compiled:
        return 2 if model.feed_forward in GATED else 1
    return FFN_TENSORS[model.feed_forward]


def _products(method: Method, model: ModelConfig, alternate: bool, source: float, across: bool = False) -> list[Kept]:
    """Return results of products with weights, all or the first, third, fifth and seventh of a block, and of fused attention."""
    size, tp = method.compute_bytes, method.layout.tp
    keys = size * kv_heads_on_device(model, tp) * tp * model.head_dim * source
    name = "cross-attention" if across else "attention"
    out: Split = "none" if tp > 1 else "sequence"  # a partial sum, before it is scattered
    products = [
        Kept(f"{name}: product q", size * model.inner_dim, "tensor"),
        Kept(f"{name}: product k", keys, "tensor"),
        Kept(f"{name}: product v", keys, "tensor"),
        Kept(f"{name}: product out", size * model.dim, out),
    ]
    if not across:
        widening = 2 if model.feed_forward in GATED else 1
        wide = [Kept(f"feed-forward: product {number}", size * model.ffn_dim, "tensor") for number in range(widening)]
        products += [*wide, Kept("feed-forward: product down", size * model.dim, out)]
    kept = products[::2] if alternate else products
    if alternate and tp > 1:  # what reduce-scatter gave
        kept.append(Kept(f"{name}: scattered", size * model.dim * (1 if across else 2), "sequence"))
    if not is_written(method, model):
        kept.append(Kept(f"{name}: fused result", size * model.inner_dim + FP32_BYTES * model.num_heads, "tensor"))
    return kept


def _ends(method: Method, model: ModelConfig, stage: Stage) -> float:
    """Return the mask of the embeddings' dropout, the input of the last norm and its result."""
    rows, layout = method.training.rows, method.layout
    flying = in_flight(method, stage)
    total = 0.0
    if stage.is_first and model.dropout:
        total += flying * MASK_BYTES * model.dim * rows.read_len
    if stage.is_last:
        total += (method.stream_bytes + method.compute_bytes) * model.dim * rows.target_len
    return total * layout.micro_batch / layout.cp / method.sequence_split


def _list(kept: list[Kept]) -> str:
    return ", ".join(tensor.name for tensor in kept)
