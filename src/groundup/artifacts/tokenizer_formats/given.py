"""Files of other tools, read within bounds; every damage is an ArtifactError that names the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundup.core.errors import ArtifactError
from groundup.core.files import storage_errors

MAX_BYTES = 256 << 20
MAX_TOKENS = 1 << 22
AGAIN = "fetch it again from where it came from"


def read_bytes(path: Path) -> bytes:
    """Return the bytes of the file; raise ArtifactError if it is missing, empty or larger than any vocabulary."""
    if not path.is_file():
        raise ArtifactError(f"{path}: missing; {AGAIN}")
    with storage_errors(path):
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise ArtifactError(f"{path}: holds {size:,} bytes, so not a vocabulary (at most {MAX_BYTES:,}); {AGAIN}")
        return path.read_bytes()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a UTF-8 file, the first being 1; only line feeds end lines, as vocabularies hold odd characters."""
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path}: not UTF-8 text (byte {error.start:,}); {AGAIN}") from None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield number, line.removesuffix("\r")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file; raise ArtifactError if it is not one."""
    try:
        data = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        raise ArtifactError(f"{path}: not valid JSON; {AGAIN}") from None
    if not isinstance(data, dict):
        raise ArtifactError(f"{path}: should be a JSON object, is a {type(data).__name__}; {AGAIN}")
    return data


def checked_vocabulary(path: Path, data: dict[str, Any]) -> dict[str, int]:
    """Return the map from token to id; raise ArtifactError if two tokens share an id or one is out of bounds."""
    owners: dict[int, str] = {}
    for token, number in data.items():
        if type(number) is not int or not 0 <= number < MAX_TOKENS:
            raise ArtifactError(f"{path}: token {token[:40]!r} has id {str(number)[:40]}, not one of 0..{MAX_TOKENS:,}; {AGAIN}")
        if number in owners:
            raise ArtifactError(f"{path}: tokens {owners[number][:40]!r} and {token[:40]!r} share id {number}; {AGAIN}")
        owners[number] = token
    if not owners:
        raise ArtifactError(f"{path}: holds no token; {AGAIN}")
    return data
