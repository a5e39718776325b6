"""How the processes of a run write and read the files of a checkpoint."""

import errno
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from groundup.train.copying import copied

T = TypeVar("T")
Like = Callable[[str], Tensor | None]
"""Given the name of a stored tensor, returns one that lies as it is to lie in this process; None if it is not held here."""


class Storage(ABC):
    """One safetensors file holds the tensors of all processes; all of them call the same methods in the same order."""

    @abstractmethod
    def copied(self, sources: Mapping[str, Tensor], room: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return copies in host memory of what this process holds, in `room` where that fits."""

    @abstractmethod
    def write(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Write the tensors of all processes to `path`, which is on disk then; each part once."""

    @abstractmethod
    def read(self, path: Path, like: Like) -> dict[str, Tensor]:
        """Return this process' part of what was written, by however many processes."""

    @abstractmethod
    def first(self, action: Callable[[], T]) -> T:
        """Let the first process act; return its result, or raise its GroundupError, in all."""

    @abstractmethod
    def together(self, action: Callable[[], None]) -> None:
        """Let every process act; raise the GroundupError of any of them in all."""


class OneProcess(Storage):
    """All tensors are whole in this process."""

    def copied(self, sources: Mapping[str, Tensor], room: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return copied(sources, room)

    def write(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        try:
            save_file(dict(tensors), path)
        except SafetensorError as error:  # the library tells the operating system's error in words only
            number = re.search(r"os error (\d+)", str(error))
            code = int(number[1]) if number else errno.EIO
            raise OSError(code, os.strerror(code), str(path)) from None
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def read(self, path: Path, like: Like) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors

    def first(self, action: Callable[[], T]) -> T:
        return action()

    def together(self, action: Callable[[], None]) -> None:
        action()
