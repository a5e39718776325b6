"""Arrow files in the two layouts of the format."""

from pathlib import Path

import pyarrow as pa

SCHEMA = pa.schema([("text", pa.string()), ("id", pa.string())])


def write_stream(path: Path, batches: list[list[str | None]]) -> Path:
    """Write what `datasets` saves: a stream of record batches."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, SCHEMA) as writer:
        _write(writer, batches)
    return path


def write_file(path: Path, batches: list[list[str | None]]) -> Path:
    """Write the same with a table of contents at the end."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        _write(writer, batches)
    return path


def _write(writer: pa.ipc.RecordBatchStreamWriter, batches: list[list[str | None]]) -> None:
    number = 0
    for texts in batches:
        ids = [f"d{number + offset}" for offset in range(len(texts))]
        number += len(texts)
        writer.write_batch(pa.record_batch([pa.array(texts, pa.string()), pa.array(ids)], schema=SCHEMA))
