"""The peak memory of one training process, by component, from settings alone."""

from groundup.estimate.activations import activation_bytes, recomputed_bytes, weight_copy_bytes
from groundup.estimate.optimizer import optimizer_bytes
from groundup.estimate.parameters import total_parameters
from groundup.estimate.workload import FP32_BYTES, Workload

INT64_BYTES = 8
ALLOCATOR_SHARE = 0.65
"""Prior of the allocator share: 0.4 to 0.9 were measured with glibc 2.36."""
LOSS_CHUNK_ROWS = 512
"""Positions whose logits exist at once: the default of groundup.train.loss.linear_cross_entropy."""
COMPILED_LOSS_CHUNK_ROWS = 1024
"""The same where the loss is compiled: groundup.train.loss.COMPILED_CHUNK_ROWS."""


def training_memory(workload: Workload, process_bytes: int, allocator_share: float = ALLOCATOR_SHARE) -> dict[str, int]:
    """Return the peak resident memory by component [bytes]; 'total' is their sum.

    The peak is the loss of the last micro-batch, when everything is kept for the backward pass, or the backward pass of a block
    that computes again what it did not keep. `process_bytes` is what the process
    holds before the model is made. `allocator_share` is the room that the allocator leaves between live blocks, over the bytes that
    come and go in each step; it depends on the C library and is measured by the plan.
    """
    params = total_parameters(workload.model)
    states = {
        "weights": (workload.compute_bytes if workload.holds_copy else FP32_BYTES) * params,
        **({"master_weights": FP32_BYTES * params} if workload.holds_copy else {}),
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
    """Return what is made and freed again within one micro-batch.

    The loss is gone when the backward pass reaches the last block: what is computed again there counts as far as it is more.
    """
    loss = loss_bytes(workload)
    return {
        "activations": activation_bytes(workload),
        "weight_copies": weight_copy_bytes(workload),
        "loss": loss,
        "recomputed": max(0, recomputed_bytes(workload) - loss),
    }


def live_bytes(workload: Workload) -> int:
    """Return what training raises the memory of a process by at the least: all tensors, and no gaps between them."""
    return training_memory(workload, process_bytes=0, allocator_share=0.0)["total"]


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


def loss_bytes(workload: Workload) -> int:
    """Return what the chunked loss holds at its peak: the log-softmax of the last chunk, or the head's gradient of the chunk.

    All the time the trunk's result and its gradient, and the head's copy in the compute dtype, unless weights are held in it. At
    the log-softmax the head's gradient of the chunks before, in float32, and of the chunk logits, their float32 copy (none in
    float32) and log-probabilities; at the head's gradient this as well (of a wide model it is larger than the chunk), logits and
    their gradient. Compiled, of the chunk the logits alone, and the head's gradient of the chunk.
    """
    size, vocab, dim = workload.compute_bytes, workload.model.vocab_size, workload.model.dim
    is_narrow = workload.precision != "fp32"
    copies = size if is_narrow and not workload.holds_copy else 0
    features = 2 * size * workload.micro_batch * workload.rows.target_len * dim
    if workload.compiled:
        logits = size * min(COMPILED_LOSS_CHUNK_ROWS, workload.predicted_tokens) * vocab
        return features + vocab * dim * (FP32_BYTES + copies + size) + logits
    tables = size + FP32_BYTES * (2 if is_narrow else 1)
    tokens = workload.predicted_tokens
    first, second = min(LOSS_CHUNK_ROWS, tokens), min(LOSS_CHUNK_ROWS, max(0, tokens - LOSS_CHUNK_ROWS))
    peaks = [first * tables, first * 2 * size + dim * (FP32_BYTES + (size if is_narrow else 0))]
    if second:
        peaks += [second * tables + dim * FP32_BYTES, second * 2 * size + dim * (FP32_BYTES + size)]
    return features + vocab * (dim * copies + max(peaks))


def data_bytes(workload: Workload) -> int:
    """Return the batch being trained on and the one read ahead (inputs, targets, documents), and the mask."""
    return 2 * 3 * INT64_BYTES * workload.batch_sequences * sum(workload.lengths) + mask_bytes(workload)
