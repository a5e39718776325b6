"""What groundup's own engine holds of a micro-batch, from the counts that are held against autograd."""

from groundup.estimate.activations import activation_bytes, block_backward_bytes, recomputed_bytes
from groundup.estimate.device_memory.gathered import FSDP, UNITS, units
from groundup.estimate.device_memory.loss import logit_terms
from groundup.estimate.device_memory.stages import Parts, Stage
from groundup.estimate.device_memory.terms import Line, Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.memory import data_bytes, loss_bytes
from groundup.estimate.workload import DEFAULT_OPTIMIZER, FP32_BYTES, Workload
from groundup.nn.config import ModelConfig
from groundup.train.config import RunPrecision

SOURCE = "counted tensor by tensor, held against autograd"


def workload_of(method: Method, model: ModelConfig) -> Workload:
    """Return the same training as one process sees it."""
    training, layout = method.training, method.layout
    optimizer = DEFAULT_OPTIMIZER if isinstance(training.optimizer, str) else training.optimizer
    precision: RunPrecision = "bf16_weights" if method.gathers and layout.precision == "bf16" else layout.precision
    return Workload(
        model, precision, training.attention, layout.micro_batch, layout.micro_batch * (training.num_micro_batches or 1),
        training.rows, training.document_mask, optimizer, training.compiled, layout.recompute,
    )  # fmt: skip


def passing_terms(method: Method, model: ModelConfig, parts: Parts, stage: Stage) -> list[Term]:
    """Return activations, the loss and the data; copies of weights under autocast are told with what is gathered."""
    workload = workload_of(method, model)
    tokens = f"{workload.micro_batch} x {workload.rows.text_len:,} tokens"
    chunked = Term("logits", loss_bytes(workload), "of a chunk, and the head's gradient", tokens, SOURCE)
    loss = [chunked] if method.loss == "chunked" else logit_terms(method, model, stage)
    kept, gone = activation_bytes(workload), sum(term.num_bytes for term in loss)
    later = _sharded_terms(method, model, parts, stage, kept, gone) if method.gathers else []
    if not later:
        again = max(0, recomputed_bytes(workload) - gone)
        later = [Term("activations", again, "computed again for one block's backward pass", tokens, SOURCE)]
    return [
        Term("activations", kept, "kept of the forward pass", tokens, SOURCE),
        *later,
        *loss,
        Term("buffers", data_bytes(workload), "batches and masks", tokens, SOURCE),
    ]


def _sharded_terms(method: Method, model: ModelConfig, parts: Parts, stage: Stage, kept: int, gone: int) -> list[Term]:
    """Return what the backward pass of sharded weights holds beyond the loss, which is gone by then.

    In the feed-forward layer of a block: what is computed again, the weights of the block and of the one fetched ahead, the
    gradients of the layer's matrix and of the head's. Once a block is done, what was kept of it is gone, but its gradients are
    there in 32 bits while they are summed over ranks, and the shard of each block done until the end, if there were no gradients
    before. At the end: gradients of all outside of blocks, those of a tied matrix twice,
    and their 32-bit sum, with nothing kept any more.
    """
    size, workload = method.compute_bytes, workload_of(method, model)
    block, root = units(parts, stage, model, 1)
    matrix = model.vocab_size * model.dim
    num_blocks = stage.blocks + stage.encoder_blocks
    grows = 0 if method.accumulates else FP32_BYTES * block // method.shards
    done = [FP32_BYTES * block + count * (grows - kept // num_blocks) for count in range(1, num_blocks)]
    gathered = size * min(UNITS, num_blocks) * block
    summed = size * (model.ffn_dim * model.dim + matrix) + max([0, *done])
    again = block_backward_bytes(workload)
    end = (size + FP32_BYTES) * root + (size * matrix if model.tie_embeddings else 0) - kept
    if end > max(gone, again + gathered + summed):
        formula = f"{root:,} parameters outside of blocks x {size + FP32_BYTES} B, less what was kept and {gone:,} B of the loss"
        return [Term("buffers", end - gone, "gradients of embedding and head while they are shared", formula, FSDP)]
    terms, left = [], gone
    held: tuple[tuple[Line, int, str], ...] = (
        ("activations", again, "computed again for one block's backward pass, and its gradients"),
        ("gathered", gathered, "weights of the block and of the one fetched ahead"),
        ("buffers", summed, "gradients of a matrix and the head, and of a block while they are shared"),
    )
    for line, num_bytes, what in held:
        more = max(0, num_bytes - left)
        left = max(0, left - num_bytes)
        formula = f"{num_bytes:,} B, less {num_bytes - more:,} B of the loss, gone by then"
        terms.append(Term(line, more, what, formula, FSDP))
    return terms
