"""What is assumed of a device's peak where nobody said it."""

import pytest

from groundup.estimate.hardware import catalogue, find_hardware
from groundup.estimate.layout.priors import shipped_priors
from groundup.estimate.spending import ASSUMED_MFU, Utilisation
from groundup.plan.budget.ask import plan_budget
from groundup.plan.budget.config import BudgetQuestion
from groundup.plan.computing import plan_compute
from groundup.plan.layouts import plan_layout
from groundup.plan.utilisation import USUAL_BATCH_SEQUENCES, USUAL_DEVICES, USUAL_MODEL, usual_mfu


@pytest.mark.parametrize("name", [name for name in catalogue() if shipped_priors().knows(name)])
def test_where_runs_are_published_it_is_the_forecast_of_plan_layout(name: str) -> None:
    mfu, source = usual_mfu(find_hardware(name), "bf16")
    tokens = USUAL_BATCH_SEQUENCES * 2048
    plain = {"tp": 1, "pp": 1, "cp": 1, "offload": "none"}
    assert mfu == plan_layout(USUAL_MODEL, None, name, USUAL_DEVICES, tokens, top=1, pinned=plain).search.best.mfu
    assert 0.2 < mfu < 0.7
    assert "published runs" in source


def test_elsewhere_it_is_assumed_and_said() -> None:
    assert usual_mfu(find_hardware("h200"), "bf16") == ASSUMED_MFU
    assert usual_mfu(find_hardware("h100"), "fp8") == ASSUMED_MFU
    tiny = find_hardware("a100-40").model_copy(update={"memory_bytes": 10**8})
    assert usual_mfu(tiny, "bf16") == ASSUMED_MFU


def test_every_plan_of_one_device_takes_the_same() -> None:
    mfu, source = usual_mfu(find_hardware("h100"), "bf16")
    budget = plan_budget(BudgetQuestion(device_hours=1000.0, hardware="h100")).as_json()
    spending = plan_compute(1e12, params=7e9, hardware="h100").spendings[0]
    listed = {each.hardware.name: each.mfu for each in plan_compute(1e12, params=7e9).spendings}
    assert (budget["mfu"], spending.mfu, listed["h100-sxm"]) == (mfu, mfu, mfu)
    assert spending.mfu_source == source
    assert plan_compute(1e12, params=7e9, hardware="h100", utilisation=Utilisation(mfu=0.3)).spendings[0].mfu == 0.3
