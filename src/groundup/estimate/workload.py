"""What memory and speed of training depend on."""

from dataclasses import dataclass
from typing import Literal

from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.train.config import Recompute, RunPrecision
from groundup.train.optim.config import OptimizerConfig

AttentionName = Literal["sdpa", "matmul"]

FP32_BYTES = 4
COMPUTE_BYTES: dict[RunPrecision, int] = {"fp32": 4, "bf16": 2, "bf16_weights": 2, "fp16": 2}
DEFAULT_OPTIMIZER = OptimizerConfig()


@dataclass(frozen=True)
class Workload:
    """One training configuration."""

    model: ModelConfig
    precision: RunPrecision
    attention: AttentionName
    micro_batch: int
    batch_sequences: int
    rows: RowLengths
    document_mask: bool
    optimizer: OptimizerConfig = DEFAULT_OPTIMIZER
    compiled: bool = False
    recompute: Recompute = "none"

    @property
    def holds_copy(self) -> bool:
        """Whether passes run through a copy of the weights, beside the master copy."""
        return self.precision == "bf16_weights"

    @property
    def stream_bytes(self) -> int:
        """Bytes of an element of the residual stream, which has the dtype of the weights."""
        return self.compute_bytes if self.holds_copy else FP32_BYTES

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
