"""The forms that checkpoints of other tools have on disk."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor

from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer_formats import read_tokenizer, tokenizer_files
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import storage_errors
from groundup.nn.config import ModelConfig
from groundup.nn.formats.folder import CONFIG_FILE, find_format, read_folder, read_json, weight_files
from groundup.nn.formats.llama2c import read_llama2c
from groundup.nn.gguf.header import MAGIC
from groundup.nn.gguf.read import GgufFile, open_gguf, read_gguf
from groundup.nn.gguf.tokenizer import read_tokenizer as read_gguf_tokenizer

PICKLE_MAGIC: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files of torch.save and pickle begin."""
PICKLE_SUFFIXES: Final = (".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class Source(ABC):
    """One checkpoint on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def name(self) -> str:
        """Return the family or format, as groundup names it."""

    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """Return every file that the model is read from."""

    @abstractmethod
    def tokenizer_files(self) -> Sequence[Path]:
        """Return the files of its own tokenizer; none if there is none, or it lies in the model's file."""

    @abstractmethod
    def model(self) -> tuple[ModelConfig, dict[str, Tensor]]:
        """Return settings and weights; ConfigError for what we cannot compute, ArtifactError for damage."""

    @abstractmethod
    def tokenizer(self) -> tuple[Any, SpecialNames]:
        """Return the source's own tokenizer and its roles; ConfigError if it has none."""

    @abstractmethod
    def has_peer(self) -> bool:
        """Return whether `transformers` can read the source itself."""


@final
class HuggingFaceFolder(Source):
    """config.json with safetensors, in one file or several."""

    def name(self) -> str:
        return find_format(read_json(self.path / CONFIG_FILE), self.path).model_type

    def files(self) -> tuple[Path, ...]:
        return (self.path / CONFIG_FILE, *weight_files(self.path))

    def tokenizer_files(self) -> Sequence[Path]:
        return tokenizer_files(self.path)

    def model(self) -> tuple[ModelConfig, dict[str, Tensor]]:
        return read_folder(self.path)

    def tokenizer(self) -> tuple[Any, SpecialNames]:
        return read_tokenizer(self.path)

    def has_peer(self) -> bool:
        return True


@final
class GgufModel(Source):
    """A GGUF file, with its own tokenizer."""

    def name(self) -> str:
        return "gguf"

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def tokenizer_files(self) -> Sequence[Path]:
        return ()

    def model(self) -> tuple[ModelConfig, dict[str, Tensor]]:
        return read_gguf(self._opened)

    def tokenizer(self) -> tuple[Any, SpecialNames]:
        return read_gguf_tokenizer(self._opened.metadata, str(self.path))

    @cached_property
    def _opened(self) -> GgufFile:
        return open_gguf(self.path)

    def has_peer(self) -> bool:
        return False


@final
class Llama2cFile(Source):
    """A file of llama2.c, which holds no tokenizer."""

    def name(self) -> str:
        return "llama2c"

    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def tokenizer_files(self) -> Sequence[Path]:
        return ()

    def model(self) -> tuple[ModelConfig, dict[str, Tensor]]:
        return read_llama2c(self.path)

    def tokenizer(self) -> tuple[Any, SpecialNames]:
        raise ConfigError(f"{self.path}: files of llama2.c hold no tokenizer; say --tokenizer FILE")

    def has_peer(self) -> bool:
        return False


def find_source(path: Path) -> Source:
    """Return the checkpoint at `path`, by what is there; ConfigError or ArtifactError with the way out if it is none.

    A pickle is refused whatever it is called: it can run code when it is opened.
    """
    if path.is_dir():
        return HuggingFaceFolder(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such file or folder; give a Hugging Face folder, a GGUF file or a llama2.c file")
    with storage_errors(path), path.open("rb") as file:
        start = file.read(4)
    if start == MAGIC:
        return GgufModel(path)
    if path.suffix in PICKLE_SUFFIXES or start.startswith(PICKLE_MAGIC):
        raise ArtifactError(
            f"{path}: a pickle, which can run code when opened; groundup reads safetensors, GGUF and llama2.c files only. Where "
            "you trust its maker, convert it: AutoModel.from_pretrained(folder).save_pretrained(other) with transformers, or "
            "safetensors.torch.save_file(torch.load(file, weights_only=True), other)"
        )
    if path.suffix in (".safetensors", ".json"):
        raise ConfigError(
            f"{path}: a file of a Hugging Face folder; give the folder, {path.parent}, whose config.json is needed too"
        )
    return Llama2cFile(path)


def same_storage(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with tensors that share memory parted, as safetensors needs them."""
    owners = [tensor.untyped_storage().data_ptr() for tensor in weights.values()]
    return {
        name: tensor.clone(memory_format=torch.contiguous_format) if owners.count(owner) > 1 else tensor.contiguous()
        for (name, tensor), owner in zip(weights.items(), owners, strict=True)
    }
