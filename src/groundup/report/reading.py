"""Files of a run as facts; whatever does not fit is an error that names the key."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import read_object, storage_errors
from groundup.report.facts import Facts

F = TypeVar("F", bound=Facts)


def read_facts(path: Path, shape: type[F]) -> F:
    """Return the file's facts; raise ArtifactError with the key that does not fit."""
    return fit(read_object(path), shape, str(path))


def read_lines(path: Path, shape: type[F]) -> tuple[F, ...]:
    """Return the facts of every line, none if there is no file; a last line that a kill cut short is left out."""
    if not path.is_file():
        return ()
    with storage_errors(path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines):
                break
            raise ArtifactError(f"{path}:{number}: not valid JSON; {REMAKE}") from None
        found.append(fit(data, shape, f"{path}:{number}"))
    return tuple(found)


def fit(data: Any, shape: type[F], where: str) -> F:
    """Return the data as facts."""
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise ArtifactError(f"{where}: '{key}': {problem['msg']}; {REMAKE}") from None
