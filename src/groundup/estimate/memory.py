"""The peak memory of one training process, by component, from settings alone.

What autograd keeps for the backward pass is counted tensor by tensor, as the eager model saves it
(tests/estimate/test_memory.py holds the sum against what autograd really saves).
"""

from dataclasses import dataclass
from typing import Literal

from groundup.estimate.optimizer import optimizer_bytes
from groundup.estimate.parameters import NORM_VECTORS, count_parameters, total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import FeedForwardName, ModelConfig
from groundup.train.optim.config import OptimizerConfig

AttentionName = Literal["sdpa", "matmul"]
PrecisionName = Literal["fp32", "bf16"]

FP32_BYTES = 4
INT64_BYTES = 8
COMPUTE_BYTES: dict[PrecisionName, int] = {"fp32": 4, "bf16": 2}
ALLOCATOR_SHARE = 0.65
"""Prior of the allocator share: 0.4 to 0.9 were measured with glibc 2.36."""
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
LOSS_CHUNK_ROWS = 512
"""Positions whose logits exist at once: the default of groundup.train.loss.linear_cross_entropy."""
COMPILED_LOSS_CHUNK_ROWS = 1024
"""The same where the loss is compiled: groundup.train.loss.COMPILED_CHUNK_ROWS."""

DEFAULT_OPTIMIZER = OptimizerConfig()


@dataclass(frozen=True)
class Workload:
    """One training configuration, as far as memory and speed depend on it."""

    model: ModelConfig
    precision: PrecisionName
    attention: AttentionName
    micro_batch: int
    batch_sequences: int
    rows: RowLengths
    document_mask: bool
    optimizer: OptimizerConfig = DEFAULT_OPTIMIZER
    compiled: bool = False

    @property
    def num_micro_batches(self) -> int:
        return self.batch_sequences // self.micro_batch

    @property
    def predicted_tokens(self) -> int:
        """Places of a micro-batch whose logits are computed."""
        return self.micro_batch * self.rows.predicted_len

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of a row in each stack."""
        return (self.rows.read_len, self.rows.target_len) if self.model.num_encoder_layers else (self.rows.target_len,)

    @property
    def compute_bytes(self) -> int:
        """Bytes of an element that matrix products read and write."""
        return COMPUTE_BYTES[self.precision]


def training_memory(workload: Workload, process_bytes: int, allocator_share: float = ALLOCATOR_SHARE) -> dict[str, int]:
    """Return the peak resident memory by component [bytes]; 'total' is their sum.

    The peak is the loss of the last micro-batch, when everything is kept for the backward pass. `process_bytes` is what the process
    holds before the model is made. `allocator_share` is the room that the allocator leaves between live blocks, over the bytes that
    come and go in each step; it depends on the C library and is measured by the plan.
    """
    params = total_parameters(workload.model)
    states = {
        "weights": FP32_BYTES * params,
        "gradients": FP32_BYTES * params,
        "optimizer": optimizer_bytes(workload.model, workload.optimizer),
    }
    passing = passing_bytes(workload)
    allocator = {"allocator": round(allocator_share * sum(passing.values()))}
    parts = {"process": process_bytes, **states, **passing, "data": data_bytes(workload), **allocator}
    return {**parts, "total": sum(parts.values())}


def checkpoint_bytes(workload: Workload) -> int:
    """Return the size of a checkpoint: weights and optimizer state."""
    return FP32_BYTES * total_parameters(workload.model) + optimizer_bytes(workload.model, workload.optimizer)


def passing_bytes(workload: Workload) -> dict[str, int]:
    """Return what is made and freed again within one micro-batch."""
    return {
        "activations": activation_bytes(workload),
        "weight_copies": weight_copy_bytes(workload),
        "loss": loss_bytes(workload),
    }


def allocator_share_of(workload: Workload, growth_bytes: int) -> float:
    """Return the share for which `training_memory` gives the measured growth of a process; 0 to 1.5."""
    live = training_memory(workload, process_bytes=0, allocator_share=0.0)["total"]
    share = (growth_bytes - live) / sum(passing_bytes(workload).values())
    return min(1.5, max(0.0, share))


def activation_bytes(workload: Workload) -> int:
    """Return what autograd keeps between forward and backward of one micro-batch, weights and their copies aside."""
    model, rows = workload.model, workload.rows
    decoder = _stack_bytes(workload, model.num_layers, rows.target_len, last=True)
    if not model.num_encoder_layers:
        return workload.micro_batch * decoder + _position_bytes(workload)
    encoder = _stack_bytes(workload, model.num_encoder_layers, rows.read_len, last=False)
    across = model.num_layers * _across_bytes(workload)
    return workload.micro_batch * (encoder + decoder + across) + _position_bytes(workload)


def _stack_bytes(workload: Workload, layers: int, length: int, last: bool) -> int:
    """Per row: the blocks, the norm after them and the tokens; the last stack's result belongs to the loss."""
    blocks = layers * (_attention_bytes(workload, length) + _feed_forward_bytes(workload))
    return length * (blocks + _norm_bytes(workload, output=not last) + INT64_BYTES)


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


def mask_bytes(workload: Workload) -> int:
    """Return what is added to scores, one for all layers of a stack: none where the fused kernel knows the order by itself."""
    biased = workload.model.position in ("t5_bias", "alibi")
    if workload.attention == "sdpa" and not (workload.document_mask or biased):
        return 0
    rows = workload.micro_batch if workload.document_mask else 1
    heads = workload.model.num_heads if biased else 1
    itself = sum(length**2 for length in workload.lengths)
    across = workload.rows.read_len * workload.rows.target_len if workload.model.num_encoder_layers else 0
    return workload.compute_bytes * rows * (heads * itself + across)


def weight_copy_bytes(workload: Workload) -> int:
    """Return autocast's copies of all block matrices, kept from the forward to the backward pass; none in float32."""
    if workload.precision == "fp32":
        return 0
    counts = count_parameters(workload.model)
    return workload.compute_bytes * (counts["attention"] + counts["feed_forward"])


def loss_bytes(workload: Workload) -> int:
    """Return what the chunked loss holds at its peak, the log-softmax of the last chunk; compiled, the head's gradient of a chunk.

    The trunk's result and its gradient; the head's gradient and copy in the compute dtype; of the chunk logits, their float32 copy
    (none in float32) and log-probabilities. Compiled, of the chunk the logits alone, and the head's gradient of the chunk.
    """
    size, vocab, dim = workload.compute_bytes, workload.model.vocab_size, workload.model.dim
    copies = size if workload.precision != "fp32" else 0
    features = 2 * size * workload.micro_batch * workload.rows.target_len * dim
    if workload.compiled:
        logits = size * min(COMPILED_LOSS_CHUNK_ROWS, workload.predicted_tokens) * vocab
        return features + vocab * dim * (FP32_BYTES + copies + size) + logits
    tables = size + FP32_BYTES * (2 if copies else 1)
    return features + vocab * dim * (FP32_BYTES + copies) + min(LOSS_CHUNK_ROWS, workload.predicted_tokens) * vocab * tables


def data_bytes(workload: Workload) -> int:
    """Return the batch being trained on and the one read ahead (inputs, targets, documents), and the mask."""
    return 2 * 3 * INT64_BYTES * workload.batch_sequences * sum(workload.lengths) + mask_bytes(workload)
