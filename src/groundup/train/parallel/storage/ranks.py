"""Files of a checkpoint that many ranks write and read together."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor

from groundup.core.errors import GroundupError, StorageError
from groundup.core.files import explain_os_error
from groundup.train.copying import copied
from groundup.train.parallel.groups import of_a_thread
from groundup.train.parallel.storage.table import DTYPES
from groundup.train.parallel.storage.writer import SafetensorsWriter
from groundup.train.storage import Like, Storage

T = TypeVar("T")
_TIMEOUT = timedelta(minutes=30)
"""For the ranks that wait while the first one hashes the files; a rank that dies is noticed at once, whatever this is."""


class ManyRanks(Storage):
    """Plans, the choice of who writes what several ranks hold, and resharding on load are torch.distributed.checkpoint's.

    A group of its own lets a thread write while the run communicates.
    """

    def __init__(self) -> None:
        """Take the group; all ranks call this together."""
        self._group = of_a_thread(_TIMEOUT)
        self._rank = dist.get_rank()

    def copied(self, sources: Mapping[str, Tensor], room: Mapping[str, Tensor]) -> dict[str, Tensor]:
        copies = copied(
            {name: _local(source) for name, source in sources.items()}, {name: _local(tensor) for name, tensor in room.items()}
        )
        return {name: _lying_as(source, copies[name]) for name, source in sources.items()}

    def write(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        try:
            save(dict(tensors), storage_writer=SafetensorsWriter(path), process_group=self._group)
        except CheckpointException as found:
            raise _told(found, path) from None

    def read(self, path: Path, like: Like) -> dict[str, Tensor]:
        tensors = {}
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  no mapping
                target = like(name)
                if target is not None:
                    tensors[name] = _room(file.get_slice(name), target)
        try:
            load(tensors, storage_reader=HuggingFaceStorageReader(str(path.parent)), process_group=self._group)
        except CheckpointException as found:
            raise _told(found, path) from None
        return tensors

    def first(self, action: Callable[[], T]) -> T:
        outcome: list[Any] = [_tried(action) if self._rank == 0 else None]
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        result, error = outcome[0]
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def together(self, action: Callable[[], None]) -> None:
        outcomes: list[Any] = [None] * dist.get_world_size(self._group)
        dist.all_gather_object(outcomes, _tried(action)[1], group=self._group)
        for error in outcomes:
            if error is not None:
                raise error


def _tried(action: Callable[[], T]) -> tuple[T | None, GroundupError | None]:
    try:
        return action(), None
    except GroundupError as error:
        return None, error


def _told(found: CheckpointException, path: Path) -> BaseException:
    """Return the first rank's failure as an error of groundup's if the disk is the cause."""
    rank, (error, _) = min(found.failures.items())
    if isinstance(error, OSError):
        return StorageError(f"rank {rank}: {explain_os_error(error, path)}")
    return error


def _local(tensor: Tensor) -> Tensor:
    local: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local


def _lying_as(source: Tensor, local: Tensor) -> Tensor:
    """Return this rank's part as one of a tensor that lies on the ranks as `source` does."""
    if not isinstance(source, DTensor):
        return local
    return DTensor(local, source._spec, requires_grad=False)  # type: ignore[no-untyped-call]


def _room(stored: Any, target: Tensor) -> Tensor:
    """Return memory for this rank's part of a stored tensor, which lies as `target` if it is of its shape."""
    shape, dtype = stored.get_shape(), DTYPES[stored.get_dtype()]
    if list(target.shape) == shape:
        return torch.empty_like(target, dtype=dtype, requires_grad=False)
    return torch.empty(shape, dtype=dtype)
