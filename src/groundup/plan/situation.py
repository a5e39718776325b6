"""What a plan is given beside its settings."""

from dataclasses import dataclass

from groundup.estimate.rows import RowLengths
from groundup.plan.machine import Machine
from groundup.plan.processes import ONE_PROCESS, Processes


@dataclass(frozen=True)
class Situation:
    """What is given: the text, the machine and the process."""

    vocab_size: int
    unique_tokens: int
    machine: Machine
    device: str
    rows: RowLengths
    process_bytes: int
    """Resident memory of this process with its libraries loaded and nothing of the model."""
    compiler: str | None = None
    """The machine's C++ compiler, if it has one."""
    text: str = ""
    """What tells these token shards from others."""
    processes: Processes = ONE_PROCESS

    @property
    def held_bytes(self) -> int:
        """What the process holds of the memory that tensors live in: a CUDA card has its own."""
        return 0 if self.device == "cuda" else self.process_bytes
