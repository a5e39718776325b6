"""Tables that cannot be read are named, with the way out."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.artifacts.parquet import parquet_errors
from groundup.core.errors import ArtifactError, StorageError


@pytest.mark.parametrize("kept", [0, 4, 100, -4])
def test_a_damaged_table_is_named(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": list(range(1000))}), file)
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"x\.parquet: not readable as Parquet .*--force"), parquet_errors(file):
        pq.read_table(file)


def test_an_error_of_the_system_keeps_its_way_out(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"x\.parquet: No space left.*free some space"), parquet_errors(tmp_path / "x.parquet"):
        raise OSError(errno.ENOSPC, "No space left on device")
