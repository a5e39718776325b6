"""The memory of one device that generates text."""

from dataclasses import dataclass
from typing import Final, Literal

from groundup.core.errors import ConfigError
from groundup.estimate.device_memory.activations import kv_heads_on_device
from groundup.estimate.device_memory.margin import margin_terms
from groundup.estimate.device_memory.memory import Memory
from groundup.estimate.device_memory.stages import parts_of, stages_of
from groundup.estimate.device_memory.states import parameters_on_device
from groundup.estimate.device_memory.terms import Term
from groundup.estimate.workload import DEFAULT_OPTIMIZER, FP32_BYTES
from groundup.nn.config import GATED, ModelConfig
from groundup.train.parallel.config import Layout

WeightFormat = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4"]
WEIGHT_BITS: Final[dict[WeightFormat, int]] = {"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4}
"""Scales of groups of weights come on top: with one of 16 bits for 128 weights 0.125 bits each."""
PREFILL_TOKENS = 8192
"""Tokens of prompts that are read at once; longer ones in pieces (the default of servers that read prompts in chunks)."""


@dataclass(frozen=True)
class Inference:
    """What is generated at once."""

    batch: int
    """Sequences."""
    context: int
    """Tokens of each, prompt and continuation together; of an encoder-decoder those of the source as well as of the target."""
    weights: WeightFormat = "bf16"
    cache: WeightFormat = "bf16"
    """Format of keys and values."""


def kv_cache_bytes(model: ModelConfig, inference: Inference, tp: int = 1, blocks: int | None = None) -> int:
    """Return the bytes of keys and values: 2 x blocks x width of all key heads x tokens x sequences x size.

    A window of attention bounds the tokens. Ranks of tensor parallelism share the heads; more ranks than heads hold copies.
    """
    tokens = min(inference.context, model.window or inference.context)
    if model.num_encoder_layers:
        tokens += inference.context  # the cross-attention's, of the source
    width = kv_heads_on_device(model, tp) * model.head_dim
    blocks = model.num_layers if blocks is None else blocks
    return round(2 * blocks * width * tokens * inference.batch * WEIGHT_BITS[inference.cache] / 8)


def inference_memory(model: ModelConfig, layout: Layout, inference: Inference) -> Memory:
    """Return the peak memory of the fullest device while `model` generates: weights, cache, one pass, logits, margin.

    Of the layout only tp and pp count, as each data-parallel rank is a server of its own. Raises ConfigError for a shape that has
    no cache.
    """
    if model.shape == "encoder":
        raise ConfigError("an encoder generates nothing, so it has no key/value cache; leave out --inference")
    parts = parts_of(model, DEFAULT_OPTIMIZER)
    memories = []
    for stage in stages_of(model, layout.pp):
        params, _ = parameters_on_device(parts, stage, layout.tp, model.tie_embeddings)
        bits = WEIGHT_BITS[inference.weights]
        cache = kv_cache_bytes(model, inference, layout.tp, stage.blocks)
        tokens = min(inference.batch * inference.context, max(inference.batch, PREFILL_TOKENS))
        size = 4 if inference.weights == "fp32" else 2
        inner = (3 if model.feed_forward in GATED else 2) * model.ffn_dim / layout.tp
        passing = round(size * tokens * (inner + 4 * model.dim))
        shown = f"2 x {stage.blocks} blocks x {model.num_kv_heads} heads x {model.head_dim} x {inference.context:,} tokens"
        terms = [
            Term("weights", params * bits // 8, f"{bits}-bit weights", f"{params:,} parameters x {bits / 8:g} B"),
            Term(
                "kv_cache", cache, "keys and values",
                f"{shown} x {inference.batch} sequences x {WEIGHT_BITS[inference.cache] / 8:g} B / tp {layout.tp}",
                "Pope et al. 2022, section 3.3",
            ),
            Term("activations", passing, "one block's pass over prompts", f"{tokens:,} tokens x {passing / tokens:,.0f} B"),
        ]  # fmt: skip
        if stage.is_last:
            logits = FP32_BYTES * inference.batch * model.vocab_size
            terms.append(Term("logits", logits, "of the next token", f"{inference.batch} x {model.vocab_size:,} x {FP32_BYTES} B"))
        live = sum(term.num_bytes for term in terms if term.line not in ("weights", "kv_cache"))  # these lie still from the start
        single = layout.model_copy(update={"dp": 1, "cp": 1})
        memories.append(Memory((*terms, *margin_terms(single, live)), "torch", stage.index, params))
    return max(memories, key=lambda memory: memory.total)
