"""`plan budget` as it is asked."""

import json
import subprocess
import sys

import numpy as np
import pytest

from builders import word_salad
from groundup import api
from groundup.artifacts.scaling_fit import Fit
from groundup.core.errors import BudgetError, ConfigError, GroundupError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.estimate.hardware import find_hardware
from groundup.plan.budget.ask import plan_budget
from groundup.plan.budget.config import BudgetQuestion
from groundup.plan.utilisation import usual_mfu

KEYS = {
    "params",
    "tokens",
    "tokens_per_param",
    "tokens_per_param_interval",
    "loss",
    "loss_interval",
    "raw_bytes_to_collect",
    "device_hours",
    "cost",
    "alternatives",
}
BLOOMBERG = {"device_hours": 1.3e6, "hardware": "a100-40", "usable": 0.75, "mfu": 0.324}


def ask(**question):
    return plan_budget(BudgetQuestion.parse(question, "test")).as_json()


def test_the_keys_that_were_promised():
    answer = ask(flops=5.88e23)
    assert set(answer) >= KEYS
    assert answer["tokens_per_param"] == pytest.approx(17.9, rel=0.005)
    assert answer["tokens_per_param_interval_80"] == pytest.approx((10.0, 29.2), rel=0.03)
    assert answer["tokens_per_param_interval"] == pytest.approx((7.5, 36.4), rel=0.03)
    assert 6 * answer["params"] * answer["tokens"] == pytest.approx(5.88e23)
    assert answer["device_hours"] is None
    json.dumps(answer, allow_nan=False)


@pytest.mark.parametrize(
    "budget",
    [
        {"flops": 3.6e20},
        {"pf_days": 3.6e20 / 8.64e19},
        {"device_hours": 3.6e20 / (312e12 * 0.5 * 3600), "hardware": "a100", "mfu": 0.5},
        {"money": 2 * 3.6e20 / (312e12 * 0.5 * 3600), "price_per_hour": 2, "hardware": "a100", "mfu": 0.5},
        {"devices": 8, "deadline_days": 3.6e20 / (312e12 * 0.5 * 86400) / 8, "hardware": "a100", "mfu": 0.5},
        {"pf_days": 7.2e20 / 8.64e19, "usable": 0.5},
    ],
    ids=["flops", "pf_days", "device_hours", "money", "deadline", "usable"],
)
def test_a_budget_in_every_unit(budget):
    answer = ask(**budget)
    assert answer["flops"] == pytest.approx(3.6e20)
    if "hardware" in budget:
        assert answer["device_hours"] == pytest.approx(3.6e20 / (312e12 * 0.5 * 3600))
        assert answer["cost"] == (pytest.approx(budget["money"]) if "money" in budget else None)


def test_a_deadline_tells_how_many_devices():
    answer = ask(flops=1e22, hardware="h100", deadline_days=10)
    assert answer["mfu"] == usual_mfu(find_hardware("h100"), "bf16")[0]
    assert answer["devices"] * 10 * 24 >= answer["device_hours"] > (answer["devices"] - 1) * 10 * 24
    assert answer["elapsed_s"] <= 10 * 86400


def test_tokens_and_sizes_that_are_wished():
    of_tokens, of_params = ask(tokens=569e9), ask(params=50e9)
    assert of_tokens["tokens"] == 569e9
    assert of_params["params"] == 50e9
    assert ask(flops=of_params["flops"])["params"] == pytest.approx(50e9, rel=1e-6)
    off = ask(flops=1e22, params=50e9)
    assert off["tokens"] == pytest.approx(1e22 / 6 / 50e9)
    assert any("cost the same" in warning for warning in off["warnings"])
    assert off["loss"] > ask(flops=1e22)["loss"]


def test_bloomberggpt():
    """Wu et al. 2023: of 1.3 M hours of A100 40 GB three quarters plan a model of 53 B by approach 1, 49.75 B by approach 2."""
    others = {other["what"]: other for other in ask(**BLOOMBERG)["alternatives"]}
    first, second = others["by approach-1"], others["by approach-2"]
    assert (first["params"], first["tokens"]) == pytest.approx((52.993e9, 1111.112e9), rel=0.05)
    assert (second["params"], second["tokens"]) == pytest.approx((49.75e9, 1175e9), rel=0.05)


def test_text_at_hand_is_read_again_before_models_grow():
    answer = ask(flops=5.88e23, available_tokens=3e11)
    assert answer["epochs"] == pytest.approx(answer["tokens"] / 3e11)
    assert answer["tokens"] > ask(flops=5.88e23)["tokens"]
    assert answer["tokens_to_collect"] == pytest.approx(ask(flops=5.88e23)["tokens"] - 3e11)
    assert any("epochs" in warning for warning in answer["warnings"])
    plenty = ask(flops=5.88e23, available_tokens=3e13)
    assert plenty["raw_bytes_to_collect"] == 0
    assert plenty["params"] == pytest.approx(ask(flops=5.88e23)["params"])


def test_much_service_wants_a_smaller_model():
    alone, served = ask(flops=5.88e23), ask(flops=5.88e23, inference_tokens=1e13)
    assert served["params"] < alone["params"] / 1.5
    assert served["flops"] == pytest.approx(alone["flops"])
    as_good = next(other for other in served["alternatives"] if other["what"].startswith("as good as that"))
    assert as_good["loss"] == pytest.approx(alone["loss"], rel=1e-6)
    both = 6 * as_good["params"] * as_good["tokens"] + 2e13 * as_good["params"]
    assert both < 6 * alone["params"] * alone["tokens"] + 2e13 * alone["params"]


def test_raw_text_by_the_stated_default_and_by_a_measured_yield(tmp_path):
    assumed = ask(flops=1e20)
    assert assumed["raw_bytes_to_collect"] == pytest.approx(assumed["tokens"] * 4 / 0.02)
    assert assumed["raw_bytes_interval"] == pytest.approx((assumed["tokens"] * 4 / 0.03, assumed["tokens"] * 4 / 0.01))
    lines = [json.dumps({"text": f"{number} {word_salad(40, seed=number)}"}) for number in range(20)]
    source = tmp_path / "text.jsonl"
    source.write_text("\n".join([*lines, *lines[:10]]))
    config = CurateConfig(sources=(SourceConfig(name="text", path=source),), validation=0, rules=())
    documents = api.curate(config, tmp_path / "curate")
    measured = ask(flops=1e20, curation=str(tmp_path / "curate"), bytes_per_token=5.0)
    assert 0 < measured["raw_yield"] < 1
    assert measured["raw_yield"] == pytest.approx(documents.funnel["yield"]["bytes"])
    assert measured["raw_bytes_to_collect"] == pytest.approx(measured["tokens"] * 5 / measured["raw_yield"])


OWN = {"E": 1.8, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.36}


def own_fit(path, law="chinchilla", draws=50, params=OWN):
    rng = np.random.default_rng(0)
    spread = [[value * (1 + 0.01 * rng.standard_normal()) for value in params.values()] for _ in range(draws)]
    spans = {name: {"low": low, "high": high} for name, low, high in (("params", 1e6, 1e8), ("tokens", 1e8, 1e10))}
    Fit.parse(
        {
            "law": law,
            "objective": "huber-sum",
            "params": params,
            "standard_errors": {},
            "intervals_95": {},
            "optimal": {},
            "objective_value": 0.0,
            "points_used": 9,
            "runs_used": 9,
            "dropped": [],
            "counts": "",
            "spans": spans,
            "residual_std": 0.01,
            "residuals": [],
            "degrees_of_freedom": 4,
            "bootstrap": draws,
            "resampling": "runs",
            "draws": spread,
        },
        "test",
    ).save(path)
    return path


def test_ones_own_fit(tmp_path):
    path = own_fit(tmp_path / "FIT.json")
    answer = ask(flops=1e18, law=str(path))
    scale = (0.34 * 400 / (0.36 * 2000)) ** (1 / 0.7)
    assert answer["params"] == pytest.approx(scale * (1e18 / 6) ** (0.36 / 0.7), rel=1e-6)
    low, high = answer["tokens_per_param_interval"]
    assert low < answer["tokens_per_param"] < high
    assert any("FAR OUTSIDE" in warning for warning in ask(flops=1e26, law=str(path))["warnings"])
    with pytest.raises(ConfigError, match="all above 0"):
        ask(flops=1e18, law=str(own_fit(tmp_path / "flat.json", params={**OWN, "alpha": 0.0})))


def test_ones_own_lines_and_half_lives(tmp_path):
    lines = own_fit(tmp_path / "lines.json", "isoflop", params={"N_coef": 0.1, "a": 0.5, "D_coef": 1 / 0.6, "b": 0.5})
    answer = ask(flops=1e18, law=str(lines))
    assert (answer["params"], answer["tokens"]) == pytest.approx((1e8, 1e9 / 0.6))
    assert answer["loss"] is None
    low, high = answer["tokens_per_param_interval"]
    assert low < answer["tokens_per_param"] < high
    short = own_fit(tmp_path / "short.json", "data-constrained", params={**OWN, "R_D_star": 2.0, "R_N_star": 5.3})
    long = own_fit(tmp_path / "long.json", "data-constrained", params={**OWN, "R_D_star": 15.4, "R_N_star": 5.3})
    losses = [ask(flops=1e18, law=str(path), available_tokens=1e8)["loss"] for path in (short, long)]
    assert losses[0] > losses[1]
    with pytest.raises(ConfigError, match="does not say how size and tokens share"):
        ask(flops=1e18, law=str(own_fit(tmp_path / "one.json", "kaplan-params", params={"N_c": 1e13, "alpha_N": 0.08})))


def test_far_outside_its_runs_a_law_says_so_loudly():
    assert any("FAR OUTSIDE THE LAW" in warning for warning in ask(flops=1e14)["warnings"])
    assert any("FAR OUTSIDE THE LAW" in warning for warning in ask(flops=1e29)["warnings"])
    assert not any("FAR OUTSIDE" in warning for warning in ask(flops=5.88e23)["warnings"])
    assert ask(flops=1e10)["loss"] is None  # more than a blind guess


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ({}, "say a budget"),
        ({"flops": 0.0}, "greater than 0"),
        ({"flops": -5.0}, "greater than 0"),
        ({"flops": 1e22, "pf_days": 5.0}, "several units; keep one"),
        ({"device_hours": 5.0}, "needs --hardware"),
        ({"device_hours": 5.0, "hardware": "h10"}, "did you mean 'h100'"),
        ({"money": 5.0, "hardware": "h100"}, "prices are not guessed"),
        ({"flops": 1e22, "mfu": 0.4}, "without --hardware"),
        ({"flops": 1e22, "mfu": 40, "hardware": "h100"}, "less than or equal to 1"),
        ({"flops": 1e22, "law": "chinchila"}, "did you mean 'chinchilla'"),
        ({"flops": 1e22, "law": "none.json"}, "no such file"),
        ({"flops": 1e22, "law": "kaplan", "available_tokens": 1e9}, "needs a law of the form"),
        ({"flops": 1e22, "law": "approach-1", "inference_tokens": 1e9}, "needs a law of the form"),
        ({"flops": 1e22, "curation": "nowhere", "raw_yield": 0.1}, "keep one"),
        ({"flops": 1e22, "curation": "nowhere"}, "nowhere"),
        ({"tokens": 1e40}, "for no budget"),
        ({"flops": 1e22, "paramss": 1e9}, "did you mean 'params'"),
    ],
)
def test_what_makes_no_sense_is_refused(question, says):
    with pytest.raises(GroundupError, match=says) as caught:
        ask(**question)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("question", [{"flops": 1e40}, {"flops": 1.0}, {"flops": 1e7}, {"params": 10.0, "tokens": 100.0}])
def test_budgets_that_cannot_be(question):
    with pytest.raises(BudgetError, match=r"unit|which is none"):
        ask(**question)


def test_a_person_reads_the_same():
    text = plan_budget(BudgetQuestion(**BLOOMBERG, available_tokens=7e11, price_per_hour=2.0, deadline_days=60)).render()
    for word in ("54", "epochs", "tokens a parameter", "80 %", "cost", "days on", "step-law", "by kaplan", "each token once"):
        assert word in text


def test_the_command_answers_without_torch():
    code = (
        "import sys; sys.argv = 'groundup plan budget --flops 5.88e23 --json'.split()\n"
        "from groundup.cli import app\n"
        "try: app()\nexcept SystemExit: sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tokens_per_param"] == pytest.approx(17.9, rel=0.005)
