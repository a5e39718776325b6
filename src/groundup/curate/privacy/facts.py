"""The facts of formats: who gives out which numbers, how long they are, what keys look like."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "facts.yaml"
FACTS: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
