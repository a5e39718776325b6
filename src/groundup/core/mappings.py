"""YAML files that a user writes."""

from pathlib import Path
from typing import Any

import yaml

from groundup.core.errors import ConfigError
from groundup.core.files import storage_errors

_MAX_BYTES = 1 << 20


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping in the YAML file; raise ConfigError if it is not one. `what` ('a recipe') is what it should be."""
    with storage_errors(path):
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: larger than {_MAX_BYTES:,} bytes, so not {what}")
        raw = path.read_bytes()
    try:
        data = yaml.safe_load(raw.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); {what} is YAML") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: {what} is a mapping of keys, this is {type(data).__name__}")
    return data
