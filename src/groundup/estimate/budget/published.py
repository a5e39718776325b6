"""The table of published constants."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "published.yaml"


@cache
def published() -> dict[str, Any]:
    """Return the table, law by law."""
    table: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return table
