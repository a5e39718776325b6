"""The package `gguf`, an extra."""

import importlib
from typing import Any

from groundup.core.errors import MissingExtraError


def load_gguf() -> Any:
    """Return the package; raise MissingExtraError with the way out if it is not there."""
    try:
        return importlib.import_module("gguf")
    except ImportError as error:
        raise MissingExtraError(
            f"GGUF files are read and written with the package 'gguf', which cannot be imported ({error}): "
            "pip install 'groundup[gguf]'"
        ) from error
