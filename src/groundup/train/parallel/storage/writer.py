"""torch.distributed.checkpoint into one safetensors file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner, WriteItem
from torch.distributed.checkpoint.storage import StorageWriter, WriteResult
from torch.futures import Future

from groundup.train.parallel.storage.table import Entry, runs, table_of


class SafetensorsWriter(StorageWriter):
    """Every rank writes its parts at their places of the one file, which lies on a disk that all ranks share.

    No rank needs more memory than for what it holds. The bytes are those that one process would have written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: a writer is of one file."""

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the file is made when all parts are known."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Make the file with its header, as long as it will be; tell each rank where its parts go."""
        parts = [(item.index.fqn, _data(item)) for plan in plans for item in plan.items]
        table = table_of({name: (data.size, data.properties.dtype) for name, data in parts})
        with self._path.open("wb") as file:
            file.write(table.header)
            file.truncate(table.num_bytes)
        return [replace(plan, storage_data={i.index.fqn: table.entries[i.index.fqn] for i in plan.items}) for plan in plans]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write this rank's parts; they are on disk then."""
        results = []
        with self._path.open("r+b", buffering=0) as file:
            for item in plan.items:
                part = planner.resolve_data(item)
                assert isinstance(part, Tensor), "checkpoints hold tensors only"
                write_part(file.fileno(), plan.storage_data[item.index.fqn], part, _data(item).chunk.offsets)
                results.append(WriteResult(item.index, part.numel() * part.element_size(), None))
            os.fsync(file.fileno())
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Hold what all ranks report against what the file is to contain."""
        stored = [entry for entry in metadata.state_dict_metadata.values() if isinstance(entry, TensorStorageMetadata)]
        wanted = sum(entry.size.numel() * entry.properties.dtype.itemsize for entry in stored)
        found = sum(result.size_in_bytes for rank in results for result in rank)
        assert found == wanted, f"{self._path}: ranks wrote {found} bytes of {wanted}"

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return True


def _data(item: WriteItem) -> Any:
    assert item.tensor_data is not None, "checkpoints hold tensors only"
    return item.tensor_data


def write_part(file: int, entry: Entry, part: Tensor, offsets: torch.Size) -> None:
    """Write what a rank holds of a tensor.

    Calls that name the place are used, not a map of the file into memory: through a network's file system a map would write whole
    pages, with them stale bytes of what another machine wrote beside.
    """
    data = memoryview(part.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    width = entry.dtype.itemsize
    for in_whole, in_part, length in runs(entry.shape, offsets, part.shape):
        _write_at(file, data[in_part * width : (in_part + length) * width], entry.begin + in_whole * width)


def _write_at(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written
