"""Weights brought together for computing, and buffers of communication."""

from groundup.estimate.device_memory.activations import in_flight, kv_heads_on_device
from groundup.estimate.device_memory.stages import Parts, Stage
from groundup.estimate.device_memory.terms import Place, Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.workload import FP32_BYTES
from groundup.nn.config import ModelConfig

BUCKET_ELEMENTS = 500_000_000
"""Of DeepSpeed's buckets for reducing and gathering, by default."""
UNITS = 2
"""Blocks gathered at once: the one computed with and the one fetched ahead."""
FSDP = "Zhao et al. 2023, section 3.3"


def gathered_terms(method: Method, model: ModelConfig, parts: Parts, stage: Stage, params: int) -> list[Term]:
    """Return copies of weights that exist while they are computed with."""
    size, tp = method.compute_bytes, method.layout.tp
    if method.gathers:
        if method.layout.pp > 1:
            formula = f"{params:,} parameters of the stage x {size} B"
            return [
                Term("gathered", size * params, "the stage's weights, kept together for all micro-batches", formula, "torchtitan")
            ]
        block, root = units(parts, stage, model, tp)
        if method.software == "groundup":
            formula = f"{root:,} of embedding and head x {size} B"
            return [
                Term("gathered", size * root, "all outside of blocks, whose own are told with their backward pass", formula, FSDP)
            ]
        formula = f"({UNITS} blocks x {block:,} + {root:,} of embedding and head) x {size} B"
        return [Term("gathered", size * (UNITS * block + root), "block computed with, block fetched ahead, root", formula, FSDP)]
    if method.is_narrow and not method.has_master and method.layout.recompute == "none":
        blocks = stage.encoder_blocks * parts.encoder_block.on_device(tp) + stage.blocks * parts.block.on_device(tp)
        formula = f"{blocks:,} parameters of the blocks x {size} B"
        return [Term("gathered", size * blocks, "16-bit copies of weights, kept for the backward pass", formula, "torch.autocast")]
    return []


def buffer_terms(method: Method, model: ModelConfig, parts: Parts, stage: Stage, params: int) -> list[Term]:
    """Return what communication and the sum of gradients hold all the time, beside gradients themselves."""
    return [*_sums(method, params), *_buckets(method, params), *_neighbours(method, model, stage), *_ring(method, model)]


def unit_gradients(method: Method, model: ModelConfig, parts: Parts, stage: Stage) -> int:
    """Return the bytes of whole gradients before and while they are shared, in the backward pass of sharded weights."""
    if not method.gathers:
        return 0
    size, tp = method.compute_bytes, method.layout.tp
    block, root = units(parts, stage, model, tp)
    return (size + FP32_BYTES) * block + size * root


def _sums(method: Method, params: int) -> list[Term]:
    """Return 32-bit sums of gradients where the gradients themselves are of 16 bits, or sharded later."""
    layout = method.layout
    if method.gathers and layout.pp > 1:
        formula = f"{params:,} parameters of the stage x {FP32_BYTES} B"
        return [
            Term("buffers", FP32_BYTES * params, "gradients, summed over micro-batches before they are shared", formula, "FSDP2")
        ]
    if method.software == "groundup":
        return []  # they are added up in 32 bits as soon as each is whole
    if not method.has_master or layout.precision == "fp16" or not method.accumulates or method.training.gradients_fp32:
        return []
    shards = method.shards if layout.zero >= 2 else 1
    formula = f"{params:,} parameters x {FP32_BYTES} B" + (f" / {shards} ranks" if shards > 1 else "")
    what = "bfloat16 gradients are summed over micro-batches in 32 bits"
    place: Place = "host" if layout.offload == "all" else "device"
    return [Term("buffers", FP32_BYTES * params // shards, what, formula, "DeepSpeed, BF16_Optimizer", place)]


def _buckets(method: Method, params: int) -> list[Term]:
    layout, size = method.layout, method.compute_bytes
    if method.software == "megatron" and layout.zero and method.shards > 1:
        bucket = min(BUCKET_ELEMENTS, params)
        formula = f"2 buckets x {bucket:,} elements x {size} B"
        return [Term("buffers", 2 * bucket * size, "buckets for reducing and gathering", formula, "DeepSpeed's default")]
    sums_once = method.software == "groundup" and (
        method.has_master or layout.pp * layout.tp > 1
    )  # weight by weight, where it lies
    if method.software != "megatron" and layout.zero == 0 and layout.dp > 1 and not sums_once:
        formula = f"{params:,} parameters x {FP32_BYTES} B"
        if method.software == "torch":
            return [Term("buffers", FP32_BYTES * params, "buckets: a copy of all gradients", formula, "torch DDP's default")]
        if not method.accumulates:
            return [Term("buffers", FP32_BYTES * params, "buckets, in which gradients come to lie", formula, "torch DDP")]
    return []


def _neighbours(method: Method, model: ModelConfig, stage: Stage) -> list[Term]:
    """Return results that wait for their gradient, and what is received: torch has a place for each micro-batch of the step."""
    layout = method.layout
    if layout.pp == 1:
        return []
    hop = method.stream_bytes * layout.micro_batch * method.training.rows.text_len / layout.cp * model.dim / method.sequence_split
    waiting = in_flight(method, stage)
    places = 2 * (method.training.num_micro_batches or layout.pp) if method.software == "torch" else 2
    formula = f"({waiting:g} results + {places} received) x {hop:,.0f} B"
    return [Term("buffers", round((waiting + places) * hop), "results and gradients between stages", formula)]


def _ring(method: Method, model: ModelConfig) -> list[Term]:
    layout = method.layout
    if layout.cp == 1:
        return []
    width = kv_heads_on_device(model, layout.tp) * model.head_dim
    tokens = layout.micro_batch * method.training.rows.text_len / layout.cp
    total = round(4 * method.compute_bytes * width * tokens)
    formula = f"2 x (keys + values) x {tokens:,.0f} tokens x {width:,.0f} x {method.compute_bytes} B"
    return [Term("buffers", total, "keys and values of the next rank, and their gradients", formula, "Liu et al. 2023")]


def units(parts: Parts, stage: Stage, model: ModelConfig, tp: int) -> tuple[int, int]:
    """Return the parameters that are brought together at once: of the largest block, and of all outside of blocks."""
    return _block(parts, stage, tp), _root(parts, stage, model, tp)


def _block(parts: Parts, stage: Stage, tp: int) -> int:
    blocks = [parts.encoder_block] if stage.encoder_blocks else []
    blocks += [parts.block] if stage.blocks else []
    return max(block.on_device(tp) for block in blocks) if blocks else 0


def _root(parts: Parts, stage: Stage, model: ModelConfig, tp: int) -> int:
    root = parts.embedding.on_device(tp) if stage.is_first else 0
    if stage.is_last:
        root += parts.end.on_device(tp)
        root += 0 if model.tie_embeddings and stage.is_first else parts.head_matrix.on_device(tp)
    return root
