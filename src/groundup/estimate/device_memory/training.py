"""What a device's memory depends on beside model and layout."""

from dataclasses import dataclass
from typing import Final, Literal

from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import COMPUTE_BYTES, DEFAULT_OPTIMIZER, FP32_BYTES, AttentionName
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout

SoftwareName = Literal["groundup", "torch", "megatron"]
Selective = Literal["products", "alternate_products", "attention", "second_block"]
LossName = Literal["whole", "chunked"]
EIGHT_BIT: Final = "adamw_8bit"

SELECTIVE: dict[SoftwareName, Selective] = {"groundup": "products", "torch": "alternate_products", "megatron": "attention"}
"""What each keeps with recompute=selective: groundup the results of all products; torchtitan (mode 'op') those of every second
product and of the fused attention; Megatron all but scores and what follows them (Korthikanti et al. 2022, section 5)."""


@dataclass(frozen=True)
class Training:
    """How a layout is computed. Left out, `software` follows from the layout (`software_of`)."""

    rows: RowLengths
    optimizer: OptimizerConfig | Literal["adamw_8bit"] = DEFAULT_OPTIMIZER
    software: SoftwareName | None = None
    attention: AttentionName = "sdpa"
    """Fused (sdpa), or with scores written to memory (matmul)."""
    compiled: bool = False
    num_micro_batches: int | None = None
    """Of a step on each data-parallel rank; None: several, so that gradients are there while the next one is computed."""
    gradients_fp32: bool = False
    """Whether gradients of 16-bit weights are held in 32 bits alone: 18 bytes a parameter instead of 16."""
    sequence_parallel: bool | None = None
    """Whether norms, dropout and the residual stream are divided among tensor-parallel ranks, too; None: yes, but with full
    recomputation in Megatron and DeepSpeed, where the one was used before there was the other (Korthikanti et al. 2022)."""
    selective: Selective | None = None
    loss: LossName | None = None
    """All logits at once, as torch's cross-entropy takes them, or a chunk at a time; None: chunked in groundup, whole elsewhere."""
    model_chunks: int = 2
    """Pieces of the model on each rank of an interleaved pipeline."""
    fp8: bool = False
    """Whether matrices are multiplied in 8 bits; weights, states and what is kept stay as they are."""
    document_mask: bool = False
    own_family: str | None = None
    """Family of measured runs that gives nothing to the margin, being the one that is predicted."""


@dataclass(frozen=True)
class Method:
    """A training under a layout, its open choices settled."""

    training: Training
    layout: Layout
    software: SoftwareName
    selective: Selective
    loss: LossName

    @property
    def compute_bytes(self) -> int:
        """Of an element that products read and write."""
        return COMPUTE_BYTES[self.layout.precision]

    @property
    def is_narrow(self) -> bool:
        return self.layout.precision != "fp32"

    @property
    def has_master(self) -> bool:
        """Whether weights lie in 16 bits beside a 32-bit master copy, not in 32 bits alone."""
        return self.is_narrow and (self.software == "megatron" or self.layout.precision == "bf16_weights")

    @property
    def weight_bytes(self) -> int:
        return self.compute_bytes if self.has_master else FP32_BYTES

    @property
    def gathers(self) -> bool:
        """Whether weights are brought together unit by unit: sharded, or in the host's memory."""
        are_shared = self.shards > 1 or (self.software == "groundup" and self.layout.dp > 1)  # FSDP2 gathers among one rank, too
        return (are_shared and self.layout.zero == 3) or self.layout.offload == "all"

    @property
    def stream_bytes(self) -> int:
        """Of an element of the residual stream: the weights' dtype as products see them, but under autocast float32."""
        autocast = self.is_narrow and not self.has_master and not self.gathers
        return FP32_BYTES if autocast else self.compute_bytes

    @property
    def shards(self) -> int:
        """Ranks among which states are shared; those of context parallelism hold the same weights and so share them, too."""
        return self.layout.shards * self.layout.cp if self.layout.zero else 1

    @property
    def accumulates(self) -> bool:
        """Whether gradients of an earlier micro-batch are there while activations are."""
        return self.training.num_micro_batches != 1

    @property
    def sequence_split(self) -> int:
        chosen = self.training.sequence_parallel
        usual = self.software != "megatron" or self.layout.recompute != "full"
        return self.layout.tp if (usual if chosen is None else chosen) else 1


def software_of(layout: Layout) -> SoftwareName:
    """Return what such layouts are mostly run with: one device, DDP and sharded weights with torch (DDP, FSDP2); ZeRO 1 and 2,
    tensor and pipeline parallelism without sharded weights with Megatron or DeepSpeed."""
    plain = layout.zero == 0 and layout.tp == layout.pp == layout.cp == 1
    return "torch" if layout.zero == 3 or plain else "megatron"


def settle(training: Training, layout: Layout) -> Method:
    """Return the training with all that follows from the layout."""
    software = training.software or software_of(layout)
    loss: LossName = "chunked" if software == "groundup" else "whole"
    return Method(training, layout, software, training.selective or SELECTIVE[software], training.loss or loss)
