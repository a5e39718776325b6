"""What groundup's own engine holds of a micro-batch, from the counts that are held against autograd."""

from groundup.estimate.activations import activation_bytes, recomputed_bytes
from groundup.estimate.device_memory.loss import logit_terms
from groundup.estimate.device_memory.stages import Stage
from groundup.estimate.device_memory.terms import Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.memory import data_bytes, loss_bytes
from groundup.estimate.workload import DEFAULT_OPTIMIZER, Workload
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


def passing_terms(method: Method, model: ModelConfig, stage: Stage) -> list[Term]:
    """Return activations, the loss and the data; copies of weights under autocast are told with what is gathered."""
    workload = workload_of(method, model)
    tokens = f"{workload.micro_batch} x {workload.rows.text_len:,} tokens"
    chunked = Term("logits", loss_bytes(workload), "of a chunk, and the head's gradient", tokens, SOURCE)
    loss = [chunked] if method.loss == "chunked" else logit_terms(method, model, stage)
    again = max(0, recomputed_bytes(workload) - sum(term.num_bytes for term in loss))
    return [
        Term("activations", activation_bytes(workload), "kept of the forward pass", tokens, SOURCE),
        Term("activations", again, "computed again for one block's backward pass", tokens, SOURCE),
        *loss,
        Term("buffers", data_bytes(workload), "batches and masks", tokens, SOURCE),
    ]
