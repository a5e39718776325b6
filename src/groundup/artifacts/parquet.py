"""Parquet files of an artifact, read with errors that name the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from groundup.core.errors import REMAKE, ArtifactError, StorageError
from groundup.core.files import explain_os_error


@contextlib.contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on a damaged file into an ArtifactError, and an error of the system into a StorageError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(explain_os_error(error, path)) from error
        why = " ".join(str(error).split())
        raise ArtifactError(f"{path}: not readable as Parquet ({why}); {REMAKE}") from None
