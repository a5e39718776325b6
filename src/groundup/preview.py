"""What `--dry-run` shows of a run that is not made yet: its stages, and the course of its training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.artifacts.plan import Plan
from groundup.nn.config import ModelConfig
from groundup.plan.shapes import family
from groundup.recipe import Recipe
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.course.picture import draw

_SHARES = 1000
"""Steps of a run whose length is not known yet, drawn as shares of it."""
_LATER = "The course of the training can be drawn once the plan has fixed its steps: groundup run RECIPE --until plan"


@dataclass(frozen=True)
class Outlook:
    """The course of a training that is to come, as far as it is known."""

    course: Course
    steps_known: bool
    """Else its steps are shares of the run."""
    peak_known: bool
    """Else its learning rates are shares of the peak."""


def render(recipe: Recipe, stages: Mapping[str, str], plan: Path) -> str:
    """Return what would be done with each stage, and a picture of the course if the model is trained."""
    lines = [f"{verb:<10} {step}" for verb, step in stages.items()]
    if "pretrain" in stages:
        outlook = look_ahead(recipe, stages, plan)
        picture = draw(outlook.course, outlook.peak_known, outlook.steps_known) if outlook else _LATER
        lines += ["", picture]
    return "\n".join(lines)


def as_json(recipe: Recipe, stages: Mapping[str, str], plan: Path) -> dict[str, Any] | None:
    """Return steps, peak and phases of the course: from which step on what batch and rows; None while they are not known."""
    outlook = look_ahead(recipe, stages, plan) if "pretrain" in stages else None
    if outlook is None or not outlook.steps_known:
        return None
    course = outlook.course
    phases = [
        {"first_step": phase.first_step, "batch_tokens": phase.windows * recipe.pretrain.seq_len, "seq_len": phase.seq_len}
        for phase in course.phases
    ]
    return {"steps": course.steps, "peak_learning_rate": course.peak if outlook.peak_known else None, "phases": phases}


def look_ahead(recipe: Recipe, stages: Mapping[str, str], plan: Path) -> Outlook | None:
    """Return the course, its steps being those of the recipe or, once it is made, of the plan.

    Before that it is drawn over shares of the run; None if some of its parts are given in steps or tokens.
    """
    config, size, steps = recipe.pretrain, recipe.model, recipe.pretrain.steps
    models = family(size, recipe.tokenizer.vocab_size, config.seq_len) if size.dim is not None else ()
    if stages.get("plan") == "skip":
        decisions = Plan.open(plan).decisions
        models, steps = (ModelConfig.parse(decisions.model, str(plan)),), decisions.steps
    peak = config.optimizer.peak(models[0]) if models else config.optimizer.learning_rate
    if steps is None and _absolute(config):
        return None
    return Outlook(Course(config, steps or _SHARES, peak or 1.0), steps is not None, peak is not None)


def _absolute(config: TrainConfig) -> bool:
    """Return whether a part of the course is given in steps or tokens."""
    return (
        config.schedule.warmup_steps is not None
        or config.schedule.decay_steps is not None
        or config.batch_ramp is not None
        or any(part.until_tokens is not None for part in config.lengths)
        or any(part.from_step is not None for part in config.mixture)
    )
