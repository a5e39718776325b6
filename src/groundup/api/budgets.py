"""Devices, compute and budgets as functions."""

from pathlib import Path
from typing import Any

from groundup.estimate.hardware import Hardware
from groundup.plan import computing
from groundup.plan.budget import ask
from groundup.plan.budget.answer import BudgetAnswer
from groundup.plan.budget.config import BudgetQuestion
from groundup.plan.computing import ComputePlan
from groundup.plan.hardware import listed_hardware


def plan_hardware(name: str = "") -> list[Hardware]:
    """Return the devices that plans know with `name` in theirs, every value with its source; 'this' is measured here."""
    return listed_hardware(name)


def plan_compute(tokens: float, model: str | None = None, params: float | None = None, **settings: Any) -> ComputePlan:
    """Return the FLOPs of training a published model, or one of `params` parameters (`plan.computing.plan_compute`)."""
    return computing.plan_compute(tokens, model, params, **settings)


def plan_budget(law: str | Path = "chinchilla", **question: Any) -> BudgetAnswer:
    """Return the size and tokens that a budget is best spent on: `plan_budget(flops=5.88e23)`; keys of `BudgetQuestion`."""
    return ask.plan_budget(BudgetQuestion.parse({"law": str(law), **question}, "plan budget"))
