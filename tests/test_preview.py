from pathlib import Path
from typing import Any

import pytest

import builders
import pretrain_process as process
from groundup import preview
from groundup.recipe import Recipe

STAGES = {"plan": "make", "pretrain": "make, after plan"}
SOURCES = {"sources": [{"name": "a", "kind": "installed-licences"}]}


def recipe(**changes: Any) -> Recipe:
    return Recipe.parse({"name": "x", "curate": SOURCES, **changes}, "test")


def sized(**pretrain: Any) -> Recipe:
    return recipe(model={"dim": 64, "num_layers": 2}, pretrain={"seq_len": 16, "batch_tokens": 64, "steps": 40, **pretrain})


def test_steps_and_peak_of_the_recipe(tmp_path: Path) -> None:
    ramp = {"start_tokens": 32, "over_tokens": 640}
    assert preview.as_json(sized(batch_ramp=ramp), STAGES, tmp_path) == {
        "steps": 40,
        "peak_learning_rate": 0.5 / 64,
        "phases": [{"first_step": 0, "batch_tokens": 32, "seq_len": 16}, {"first_step": 20, "batch_tokens": 64, "seq_len": 16}],
    }
    text = preview.render(sized(), STAGES, tmp_path)
    assert text.startswith("plan       make\npretrain   make, after plan\n")
    assert "7.81e-03" in text
    assert text.endswith("40  step")


def test_steps_and_peak_of_the_plan_once_it_is_made(tmp_path: Path) -> None:
    builders.build_plan(tmp_path / "plan", process.DECISIONS)
    found = preview.as_json(recipe(budget={"minutes": 5}), {**STAGES, "plan": "skip"}, tmp_path / "plan")
    assert found is not None
    assert (found["steps"], found["peak_learning_rate"]) == (process.STEPS, 0.5 / 16)


def test_a_budget_is_drawn_in_shares(tmp_path: Path) -> None:
    budgeted = recipe(budget={"minutes": 5})
    assert preview.as_json(budgeted, STAGES, tmp_path) is None
    assert "100% of peak" in preview.render(budgeted, STAGES, tmp_path)


@pytest.mark.parametrize("pretrain", [{"schedule": {"warmup_steps": 9}}, {"batch_ramp": {"start_tokens": 1024, "over_tokens": 9}}])
def test_what_is_in_steps_or_tokens_waits_for_the_plan(tmp_path: Path, pretrain: dict[str, Any]) -> None:
    assert "once the plan has fixed its steps" in preview.render(recipe(budget={"minutes": 5}, pretrain=pretrain), STAGES, tmp_path)


def test_nothing_is_drawn_where_nothing_is_trained(tmp_path: Path) -> None:
    assert preview.render(sized(), {"curate": "make"}, tmp_path) == "curate     make"
    assert preview.as_json(sized(), {"curate": "make"}, tmp_path) is None
