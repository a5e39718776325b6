"""What a hook is."""

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
"""The metrics of a step that ended, as in metrics.jsonl, and `last`: whether the run ends with it."""
Hook = Callable[[Row], str | None]
"""Called after each step, before it is saved; what it returns is shown in the progress line.

After a run went back or was interrupted, steps come again: a hook that keeps something forgets what it knew of them. It changes
neither weights nor any state of the run, random states included.
"""
