"""Files written whole or not at all, and their hashes."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundup.core.errors import REMAKE, ArtifactError, StorageError

_MAX_JSON_BYTES = 64 << 20
_LOCKED_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EACCES)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part, even after a power cut."""
    partial = path.with_name(path.name + ".partial")
    with storage_errors(path):
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def append_text(path: Path, text: str, sync: bool = False) -> None:
    """Append the whole text as UTF-8, or nothing; with `sync` it is on disk afterwards."""
    with storage_errors(path), path.open("ab", buffering=0) as file:
        end, data = file.tell(), text.encode()
        try:
            while data:
                data = data[file.write(data) :]
            if sync:
                os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file that groundup wrote; raise ArtifactError if it is missing or damaged."""
    if not path.is_file():
        raise ArtifactError(f"{path}: missing; {REMAKE}")
    with storage_errors(path):
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ArtifactError(f"{path}: larger than {_MAX_JSON_BYTES:,} bytes, so not made by groundup")
        raw = path.read_bytes()
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{path}: not valid JSON; {REMAKE}") from None
    if not isinstance(data, dict):
        raise ArtifactError(f"{path}: should be a JSON object, is a {type(data).__name__}; {REMAKE}")
    return data


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value` (sorted keys, no spaces) that hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash_json(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hex, reading in bounded memory."""
    with storage_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Make the folder's entries (new names, renames) durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating system error met while working on `path` into a StorageError with the way out."""
    try:
        yield
    except OSError as error:
        raise StorageError(explain_os_error(error, path)) from error


def explain_os_error(error: OSError, path: Path | None = None) -> str:
    """Return what happened, where, and what to do about it."""
    where = error.filename or path
    ways_out = {
        errno.ENOSPC: "free some space there and run the same command again; what was finished is kept",
        errno.EDQUOT: "free some of your quota and run the same command again; what was finished is kept",
        errno.EACCES: "choose another --out, or change the permissions",
        errno.EROFS: "choose an --out on a disk that can be written",
        errno.ENOENT: "check the path",
    }
    is_short = error.errno is None and "requested and" in str(error)  # how NumPy tells that a file took a part of an array
    way_out = ways_out.get(
        errno.ENOSPC if is_short else error.errno or 0, "mend the cause and run the same command again; what was finished is kept"
    )
    return f"{where}: {error.strerror or error}; {way_out}"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; raise ArtifactError at once if another process works on it.

    The lock is the operating system's: it ends with the process, however that ends.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _LOCKED_BY_ANOTHER:
                raise StorageError(f"{folder}: cannot be locked ({error.strerror}); choose an --out on a local disk") from error
            raise ArtifactError(f"{folder}: another groundup process works on it; wait for it or choose another --out") from None
        yield
    finally:
        os.close(descriptor)
