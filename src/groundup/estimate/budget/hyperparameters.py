"""Batch size and learning rate by published power laws, each under the name of its source."""

import math
from dataclasses import dataclass
from typing import Any

from groundup.estimate.budget.allocation import Run
from groundup.estimate.budget.published import published


@dataclass(frozen=True)
class Suggestion:
    """What one law says of a run."""

    law: str
    source: str
    learning_rate: float | None
    batch_tokens: float | None


def suggestions(run: Run) -> list[Suggestion]:
    """Return what each law says, as far as it speaks of it; they were fitted to different optimizers and schedules."""
    return [
        Suggestion(name, facts["source"], _power(facts["learning_rate"], run), _power(facts["batch_tokens"], run))
        for name, facts in published()["hyperparameters"].items()
    ]


def _power(facts: dict[str, Any] | None, run: Run) -> float | None:
    """Return factor x product of (quantity / unit)^exponent."""
    if facts is None:
        return None
    values = {"N": run.params / facts.get("N_over", 1.0), "D": run.tokens, "C": run.flops}
    return float(facts["factor"] * math.prod(value ** facts[letter] for letter, value in values.items() if letter in facts))
