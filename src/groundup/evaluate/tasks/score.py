"""A checkpoint scored on tasks: tuned on training examples, chosen on validation examples, counted on test examples."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from groundup.artifacts.checkpoint import Checkpoint
from groundup.core.errors import DivergedError
from groundup.core.log import say
from groundup.core.progress import Bar, progress
from groundup.core.seeds import derive_seed
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.fine_tune import accuracy, fine_tune
from groundup.evaluate.tasks.intervals import interval
from groundup.evaluate.tasks.prepare import Prepared, prepare_all
from groundup.nn.classifier import Classifier
from groundup.nn.device import resolve_device
from groundup.nn.load import load_model
from groundup.nn.threads import threads_of
from groundup.nn.transformer import Transformer, build_model

_DIGITS = 6
Start = Callable[[Transformer, int], None]
"""Gives a model of a seed its first weights."""


def score_tasks(checkpoint: Checkpoint, tasks: Sequence[TaskConfig], scratch: bool, device: str) -> dict[str, Any]:
    """Return {task: result}: accuracy on test examples for each seed, their mean and its 95 % interval.

    With `scratch` the same model is also tuned from random weights, with the same examples in the same order, the same learning
    rates to choose from and the same seeds; "gain" is the mean difference over seeds. All tasks are checked before the first is
    trained.
    """
    ready = prepare_all(checkpoint, tasks)
    model = load_model(checkpoint, resolve_device(device))
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    place = model.head.weight.device
    sides: dict[str, Start] = {"pretrained": lambda model, seed: _copy(model, weights)}
    if scratch:
        sides["scratch"] = _draw
    with threads_of(checkpoint):
        return {found.task.name: _score(found, sides, place) for found in ready}


def _score(ready: Prepared, sides: dict[str, Start], device: torch.device) -> dict[str, Any]:
    results = {}
    with progress(ready.task.name, len(sides) * ready.runs * ready.steps) as bar:
        for side, start in sides.items():
            results[side] = _side(ready, side, start, device, bar)
    pretrained = results["pretrained"]
    result = {"metric": "accuracy", **pretrained, "baseline_majority": round(ready.majority, _DIGITS), **ready.facts()}
    if "scratch" in results:
        pairs = zip(pretrained["per_seed"], results["scratch"]["per_seed"], strict=True)
        result["scratch"] = results["scratch"]
        result["gain"] = _summary([ours - theirs for ours, theirs in pairs])
    return result


def _side(ready: Prepared, side: str, start: Start, device: torch.device, bar: Bar) -> dict[str, Any]:
    """Choose the learning rate by the first seed on validation examples, and score every seed with it on test examples."""
    tuning = ready.task.tuning
    chosen = {}
    for rate in tuning.learning_rates:
        try:
            model = _tuned(ready, start, rate, tuning.seeds[0], device, bar)
            chosen[rate] = accuracy(ready.kind, model, ready.validation), accuracy(ready.kind, model, ready.test)
        except DivergedError as error:
            say(f"  {side}: {error}", style="yellow")
    if not chosen:
        raise DivergedError(f"task '{ready.task.name}': diverged at every one of tuning.learning_rates; give lower ones")
    best = max(chosen, key=lambda rate: (chosen[rate][0], -rate))
    others = (_tuned(ready, start, best, seed, device, bar) for seed in tuning.seeds[1:])
    summary = _summary([chosen[best][1], *(accuracy(ready.kind, model, ready.test) for model in others)])
    say(f"  {ready.task.name}: {side} {summary['mean']:.4f} on {ready.examples['test']:,} test examples, at learning rate {best:g}")
    validation = {f"{rate:g}": round(found[0], _DIGITS) for rate, found in chosen.items()}
    return {**summary, "learning_rate": best, "validation_accuracy": validation}


def _tuned(ready: Prepared, start: Start, rate: float, seed: int, device: torch.device, bar: Bar) -> Transformer | Classifier:
    tuning = ready.task.tuning
    trunk = build_model(ready.kind.config.model_copy(update={"dropout": tuning.dropout}))
    start(trunk, seed)
    model = ready.kind.model(trunk, torch.Generator().manual_seed(derive_seed(seed, "head"))).to(device)
    fine_tune(ready.kind, model, ready.train, rate, seed, lambda: bar.advance(1, f"seed {seed}, learning rate {rate:g}"))
    return model


def _copy(model: Transformer, weights: dict[str, Tensor]) -> None:
    model.load_state_dict(weights)


def _draw(model: Transformer, seed: int) -> None:
    model.init_weights(torch.Generator().manual_seed(derive_seed(seed, "scratch")))


def _summary(values: Sequence[float]) -> dict[str, Any]:
    found = interval(values)
    return {
        "mean": round(fmean(values), _DIGITS),
        "per_seed": [round(value, _DIGITS) for value in values],
        "interval_95": None if found is None else [round(end, _DIGITS) for end in found],
    }
