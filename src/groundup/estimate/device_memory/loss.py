"""Logits and what the loss makes of them."""

from groundup.estimate.device_memory.stages import Stage
from groundup.estimate.device_memory.terms import Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.memory import LOSS_CHUNK_ROWS
from groundup.estimate.workload import FP32_BYTES
from groundup.nn.config import ModelConfig

WHOLE_COPIES = 3
"""Float32 tensors of all logits at the peak of torch's cross-entropy, in its backward pass: log-probabilities, their gradient,
that of the logits; in float32 the logits, the log-probabilities and the gradient (12 B a logit: MemTracker, GPT-2 124M)."""
PARALLEL_COPIES = 4
"""The same where the vocabulary is divided (loss_parallel of torch): log-probabilities, their exponential, the gradient, the sum
of these two."""


def logit_terms(method: Method, model: ModelConfig, stage: Stage) -> list[Term]:
    """Return what the last stage holds of logits at the peak of the loss; nothing on other stages."""
    if not stage.is_last:
        return []
    layout, training = method.layout, method.training
    tokens = layout.micro_batch * training.rows.predicted_len / layout.cp
    vocab = -(-model.vocab_size // layout.tp)
    if method.software == "megatron":
        each = method.compute_bytes + 2 * FP32_BYTES
        what = f"{8 * method.compute_bytes}-bit logits and two 32-bit copies"
        source = "Megatron-LM, vocabulary-parallel cross-entropy"
    else:
        copies = PARALLEL_COPIES if layout.tp > 1 else WHOLE_COPIES
        each, what = copies * FP32_BYTES, f"{copies} 32-bit copies of the logits"
        source = "torch, loss_parallel" if layout.tp > 1 else "torch, cross_entropy"
    if method.loss == "chunked":
        chunk = min(tokens, LOSS_CHUNK_ROWS)
        features = 2 * method.compute_bytes * tokens * model.dim / method.sequence_split
        head = FP32_BYTES * vocab * model.dim
        formula = f"{chunk:,.0f} tokens at a time x {vocab:,} x {each} B + vectors {features:,.0f} B + head's gradient {head:,} B"
        return [Term("logits", round(chunk * vocab * each + features + head), f"{what}, chunk by chunk", formula, "chunked loss")]
    shared = f" / tp {layout.tp}" if layout.tp > 1 else ""
    formula = f"{tokens:,.0f} tokens x {model.vocab_size:,}{shared} x {each} B"
    return [Term("logits", round(tokens * vocab * each), what, formula, source)]
