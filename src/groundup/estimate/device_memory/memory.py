"""The memory of the fullest device, by line."""

from dataclasses import dataclass
from typing import Final

from groundup.estimate.device_memory import own
from groundup.estimate.device_memory.activations import activation_terms, backward_bytes
from groundup.estimate.device_memory.gathered import FSDP, buffer_terms, gathered_terms, unit_gradients
from groundup.estimate.device_memory.loss import logit_terms
from groundup.estimate.device_memory.margin import margin_terms
from groundup.estimate.device_memory.stages import Parts, Stage, parts_of, stages_of
from groundup.estimate.device_memory.states import parameters_on_device, state_terms
from groundup.estimate.device_memory.terms import Line, Term
from groundup.estimate.device_memory.training import Method, SoftwareName, Training, settle
from groundup.nn.config import ModelConfig
from groundup.train.parallel.config import Layout

LINES: Final[tuple[Line, ...]] = (
    "weights", "gradients", "master_weights", "optimizer", "activations", "logits", "gathered", "buffers", "margin",
)  # fmt: skip
"""Of training, in the order of the interface."""


@dataclass(frozen=True)
class Memory:
    """What one device holds at its peak, term by term; `total` is the sum of all lines."""

    terms: tuple[Term, ...]
    software: SoftwareName
    stage: int = 0
    """Of the pipeline: the fullest."""
    params: int = 0
    """Parameters that the device computes with, sharded or not."""

    @property
    def lines(self) -> dict[Line, int]:
        """Return the bytes of each line; lines of LINES that are empty are 0."""
        lines = dict.fromkeys(LINES, 0)
        for term in self.terms:
            if term.place == "device":
                lines[term.line] = lines.get(term.line, 0) + term.num_bytes
        return lines

    @property
    def total(self) -> int:
        return sum(term.num_bytes for term in self.terms if term.place == "device")

    @property
    def live(self) -> int:
        """Bytes of tensors: all but the margin. What a memory tracker sees."""
        return sum(term.num_bytes for term in self.terms if term.place == "device" and term.line != "margin")

    @property
    def states(self) -> int:
        """Weights, gradients, master weights, optimizer."""
        lines = self.lines
        return sum(lines[line] for line in LINES[:4])

    @property
    def host_bytes(self) -> int:
        """What offloading keeps in the memory of the host, for this device."""
        return sum(term.num_bytes for term in self.terms if term.place == "host")

    def as_json(self) -> dict[str, int]:
        """Return the lines and their total."""
        return {**{str(line): size for line, size in self.lines.items()}, "total": self.total}


def device_memory(model: ModelConfig, layout: Layout, training: Training) -> Memory:
    """Return the peak memory of the fullest device in training `model` under `layout`.

    `training` says the rows of a batch (`RowLengths.causal(seq_len)`), optimizer, kernels and whose software runs it.
    `software="groundup"` is the engine of this package, counted tensor by tensor; "torch" and "megatron" are published stacks on
    GPUs. All lines are bytes that are there at the same time: gradients count unless `num_micro_batches=1`, where there are none
    yet at the peak. The margin (`Memory.live` is the total without it) is what a CUDA device holds beside tensors.
    """
    method = settle(training, layout)
    parts = parts_of(model, training.optimizer)
    best: tuple[int, Memory] | None = None
    for stage in stages_of(model, layout.pp):
        memory = _of_stage(method, model, parts, stage)
        if best is None or memory.total > best[0]:
            best = (memory.total, memory)
    assert best is not None, "a pipeline has at least one stage"
    return best[1]


def _of_stage(method: Method, model: ModelConfig, parts: Parts, stage: Stage) -> Memory:
    layout, training = method.layout, method.training
    params, state_bytes = parameters_on_device(parts, stage, layout.tp, model.tie_embeddings)
    terms = state_terms(method, params, state_bytes)
    if method.software == "groundup" and layout.tp == layout.pp == layout.cp == 1:
        terms += own.passing_terms(method, model, parts, stage)
    else:
        logits = logit_terms(method, model, stage)
        terms += [*activation_terms(method, model, stage), *logits]
        terms += _backward_terms(method, model, parts, stage, sum(term.num_bytes for term in logits))
    terms += gathered_terms(method, model, parts, stage, params)
    terms += buffer_terms(method, model, parts, stage, params)
    live = sum(term.num_bytes for term in terms if term.place == "device")
    terms += margin_terms(layout, live, training.own_family)
    return Memory(tuple(terms), method.software, stage.index, params)


def _backward_terms(method: Method, model: ModelConfig, parts: Parts, stage: Stage, logits: int) -> list[Term]:
    """Return what a block's backward pass holds beside what is kept, as far as it is more than the logits: gone by then."""
    again = backward_bytes(method, model, stage)
    gradients = unit_gradients(method, model, parts, stage)
    more = max(0, again + gradients - logits)
    gone = f", less {logits:,} B of logits, gone by then" if logits else ""
    return (
        [
            Term("activations", more - min(more, gradients), "a block's backward pass", f"{again:,} B{gone}"),
            Term("buffers", min(more, gradients), "gradients before and while they are shared", f"{gradients:,} B{gone}", FSDP),
        ]
        if more
        else []
    )
