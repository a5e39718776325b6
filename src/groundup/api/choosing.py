"""Use a model, adapt one, or train one's own."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.plan.candidates import Choice


def plan_choose(
    text: Path,
    candidates: Sequence[Path] = (),
    tokenizers: Sequence[Path] = (),
    vocab_size: int | None = None,
    device: str = "auto",
    **budget: Any,
) -> Choice:
    """Say whether to use a candidate (checkpoint, Hugging Face folder, GGUF file), adapt it, or train one's own on `text`, and why.

    Budget: flops, pf_days, device_hours, money, price_per_hour, hardware, mfu, as of the command; without one no cost is weighed.
    """
    chooser = importlib.import_module("groundup.choosing.choose")
    size = {} if vocab_size is None else {"vocab_size": vocab_size}
    found: Choice = chooser.choose_model(text, candidates, tokenizers, chooser.read_budget(**budget), device=device, **size)
    return found
