"""The memory of one process among those of a run."""

from collections import defaultdict
from dataclasses import replace

from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.layout.candidates import divisors
from groundup.estimate.memory import ALLOCATOR_SHARE, checkpoint_bytes, training_memory
from groundup.estimate.workload import FP32_BYTES, Workload
from groundup.train.parallel.config import Layout

_STATES = ("weights", "master_weights", "gradients", "optimizer")


def of_rank(workload: Workload, layout: Layout) -> Workload:
    """Return the workload with the rows that one data-parallel rank reads, its micro-batch as large as it divides them."""
    rows = max(workload.batch_sequences // layout.dp, 1)
    micro_batch = max(size for size in divisors(rows) if size <= workload.micro_batch)
    return replace(workload, batch_sequences=rows, micro_batch=micro_batch)


def process_memory(
    workload: Workload, layout: Layout, process_bytes: int, on_host: bool, allocator_share: float = ALLOCATOR_SHARE
) -> dict[str, int]:
    """Return the peak memory by component [bytes] of the fullest process of a run of the whole `workload`; 'total' is their sum.

    `on_host`: tensors lie in the memory of the host, and beside them what is offloaded and the copy that checkpoints are written
    from. `process_bytes` and `allocator_share` are those of `training_memory`, which this is for one process.
    """
    if layout.world_size == 1:
        memory, copy = training_memory(workload, process_bytes, allocator_share), checkpoint_bytes(workload)
    else:
        memory, copy = _shared_memory(workload, layout, process_bytes, on_host, allocator_share)
    if on_host:
        memory["snapshot"] = copy
        memory["total"] += copy
    return memory


def _shared_memory(
    workload: Workload, layout: Layout, process_bytes: int, on_host: bool, allocator_share: float
) -> tuple[dict[str, int], int]:
    """Return the memory of one of many processes, and the size of what it holds of a checkpoint."""
    own = of_rank(workload, layout)
    is_one_pass = layout.zero == 0 and own.num_micro_batches == 1  # elsewhere gradients are there at the end, if not at the loss
    training = Training(
        rows=workload.rows,
        optimizer=workload.optimizer,
        software="groundup",
        attention=workload.attention,
        compiled=workload.compiled,
        num_micro_batches=1 if is_one_pass else max(own.num_micro_batches, 2),
        document_mask=workload.document_mask,
    )
    settled = {"micro_batch": own.micro_batch, "recompute": workload.recompute, "precision": workload.precision}
    found = device_memory(workload.model, layout.model_copy(update=settled), training)
    sizes: dict[str, int] = defaultdict(int)
    for term in found.terms:
        if term.line != "margin" and (on_host or term.place == "device"):
            sizes["loss" if term.line == "logits" else str(term.line)] += term.num_bytes
    states = {line: sizes.pop(line, 0) for line in _STATES}
    allocator = round(allocator_share * sum(sizes.values()))
    parts = {"process": process_bytes, **states, **sizes, "allocator": allocator}
    shards = layout.shards * layout.cp if layout.zero else 1
    optimizer = sum(term.num_bytes for term in found.terms if term.line == "optimizer")
    return {**parts, "total": sum(parts.values())}, FP32_BYTES * found.params // shards + optimizer
