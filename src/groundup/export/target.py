"""What a checkpoint is shipped as."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.export.config import ExportConfig
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Transformer


@dataclass(frozen=True)
class Cargo:
    """A checkpoint in memory, with what it is compared on."""

    model: Transformer
    tokenizer: TextTokenizer
    tokenizer_file: Path
    text: str
    """Held-out text; empty if there is none."""
    tokens: Int[Tensor, "2 seq"]


class Target(ABC):
    """One form of a shipped model."""

    def __init__(self, config: ExportConfig) -> None:
        self.config = config

    @abstractmethod
    def check(self, model: ModelConfig) -> None:
        """Raise ConfigError if this form cannot hold the model."""

    @abstractmethod
    def write(self, out: Path, cargo: Cargo) -> None:
        """Write all files but card and proof; ConfigError if the form cannot hold model or tokenizer."""

    @abstractmethod
    def prove(self, out: Path, cargo: Cargo) -> dict[str, Any]:
        """Return what reading the files back found; VerificationError if it is not the same model."""
