"""Results and plans of tasks, a line each, for a person."""

from typing import Any


def render_results(tasks: dict[str, Any]) -> str:
    """Return what came of each task."""
    return "\n".join(_result(name, found) for name, found in tasks.items())


def render_plan(tasks: dict[str, Any]) -> str:
    """Return what would be trained for each task."""
    return "\n".join(_plan(name, found) for name, found in tasks.items())


def _result(name: str, found: dict[str, Any]) -> str:
    line = (
        f"{name}: accuracy {found['mean']:.4f}{_around(found)} (always the most frequent answer: {found['baseline_majority']:.4f})"
    )
    if "gain" in found:
        gain, scratch = found["gain"], found["scratch"]
        line += f"; from random weights {scratch['mean']:.4f}{_around(scratch)}"
        line += f"; gain of pretraining {gain['mean']:+.4f}{_around(gain)}"
    return line


def _plan(name: str, found: dict[str, Any]) -> str:
    examples = f"{found['train']:,} examples to train on, {found['validation']:,} to choose by, {found['test']:,} to score"
    return f"{name}: {found['fine_tunings']} fine-tunings of {found['steps']:,} steps; {examples}"


def _around(found: dict[str, Any]) -> str:
    if found["interval_95"] is None:
        return ""
    low, high = found["interval_95"]
    return f" [{low:.4f}, {high:.4f}]"
