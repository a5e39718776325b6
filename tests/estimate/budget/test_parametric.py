"""The best run of a budget, against closed forms, brute force and published numbers."""

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import chinchilla, hoffmann, muennighoff
from groundup.estimate.budget.parametric import Parametric, r_d_star, r_n_star
from groundup.estimate.budget.published import published
from groundup.estimate.budget.uncertainty import chinchilla_draws, quantiles

CONSTANTS = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[4] / "shared/data")) / "planning/published_constants.json"
CHINCHILLA_FLOPS = 5.88e23
laws = st.builds(
    Parametric,
    E=st.floats(0, 3),
    A=st.floats(1, 1e4),
    B=st.floats(1, 1e4),
    alpha=st.floats(0.15, 0.9),
    beta=st.floats(0.15, 0.9),
)
budgets = st.floats(18, 26).map(lambda power: 10.0**power)


def muennighoff_loss(params, tokens, unique):
    """The released formula, written down again from the paper: equations 5 and 6, and U_N from the optimum of U_D."""
    A, B, E = math.exp(6.255414), math.exp(7.3049974), math.exp(0.6254804)
    alpha = beta = 0.3526596
    scale = ((alpha * A) / (beta * B)) ** (1 / (alpha + beta))
    a, b = beta / (alpha + beta), alpha / (alpha + beta)
    unique_params = min(params, (unique * scale) ** (b / a) * scale)
    unique_tokens = min(tokens, unique)
    repeats_params = max(params / unique_params - 1, 0)
    repeats_tokens = max(tokens / unique_tokens - 1, 0)
    effective_params = unique_params + unique_params * 5.309743 * (1 - math.exp(-repeats_params / 5.309743))
    effective_tokens = unique_tokens + unique_tokens * 15.387756 * (1 - math.exp(-repeats_tokens / 15.387756))
    return E + A / effective_params**alpha + B / effective_tokens**beta


@settings(max_examples=25)
@given(laws, budgets)
def test_the_best_run_is_hoffmanns_closed_form(law, flops):
    """Hoffmann et al. 2022, equation 4."""
    total = law.alpha + law.beta
    scale = (law.alpha * law.A / (law.beta * law.B)) ** (1 / total)
    params = scale * (flops / 6) ** (law.beta / total)
    if 10 < params < min(flops / 60, 1e16):
        assert law.best(flops) == pytest.approx((params, flops / 6 / params), rel=1e-9)
        sought = replace(law, unique_tokens=1e45)  # more than is ever read: found by search, where the law bounds nothing
        assert sought.best(flops) == pytest.approx((params, flops / 6 / params), rel=1e-6)


@settings(max_examples=25)
@given(st.floats(6, 12), st.floats(7, 13), st.floats(7, 13))
def test_loss_with_repetition_is_the_released_formula(params, tokens, unique):
    law = muennighoff().with_unique(10**unique).law
    assert law.loss(10**params, 10**tokens) == pytest.approx(muennighoff_loss(10**params, 10**tokens, 10**unique), rel=1e-12)


@settings(max_examples=25)
@given(budgets, st.floats(8, 13), st.floats(0, 14))
def test_no_run_of_the_budget_is_better(flops, unique, served):
    """The least of 6 N D + 2 N T at equal loss, by brute force over neighbours; without service the least loss at equal compute."""
    law = chinchilla().with_unique(10**unique).law
    params, tokens = law.best(flops)
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert law.loss(params * factor, tokens / factor) >= law.loss(params, tokens) * (1 - 1e-9)
    inference = 10**served
    params, tokens = law.best(flops, inference)
    assert 6 * params * tokens == pytest.approx(flops)
    loss, total = law.loss(params, tokens), 6 * params * tokens + 2 * params * inference
    for factor in (0.8, 0.95, 1.05, 1.25):
        other = params * factor
        if law.loss(other, 1e30) < loss:
            low, high = 0.0, 70.0
            for _ in range(100):
                middle = (low + high) / 2
                low, high = (middle, high) if law.loss(other, math.exp(middle)) > loss else (low, middle)
            assert 6 * other * math.exp(high) + 2 * other * inference >= total * (1 - 1e-6)


@settings(max_examples=25)
@given(budgets, st.floats(1e9, 1e15))
def test_service_makes_models_smaller_and_training_longer(flops, inference):
    law = chinchilla().law
    served, alone = law.best(flops, inference), law.best(flops)
    assert served[0] < alone[0]
    assert served[1] > alone[1]


def test_equal_loss_for_less_of_training_and_service():
    """Sardana et al. 2024: at equal loss a smaller model, trained longer, is cheaper when much is served."""
    law = chinchilla().law
    params, tokens = law.best(CHINCHILLA_FLOPS)
    small, long = law.cheapest(law.loss(params, tokens), 1e13)
    assert law.loss(small, long) == pytest.approx(law.loss(params, tokens), rel=1e-9)
    assert small < params
    assert 6 * small * long + 2 * small * 1e13 < 6 * params * tokens + 2 * params * 1e13


def test_what_no_run_reaches_is_refused():
    with pytest.raises(ConfigError, match="cannot be reached"):
        chinchilla().law.cheapest(1.8, 1e12)
    with pytest.raises(ConfigError, match="unique tokens"):
        chinchilla().with_unique(1e9).law.cheapest(2.0, 1e12)


def test_refit_at_chinchillas_compute():
    """17.9 tokens a parameter, 80 % [10.0, 29.2], 95 % [7.5, 36.4] over bootstraps; Hoffmann's constants say 59."""
    best = chinchilla().best(CHINCHILLA_FLOPS)
    assert best.tokens_per_param == pytest.approx(17.9, rel=0.005)
    assert hoffmann().best(CHINCHILLA_FLOPS).tokens_per_param == pytest.approx(59, rel=0.01)
    ratios = chinchilla().ratios(CHINCHILLA_FLOPS)
    assert quantiles(ratios, 0.80) == pytest.approx((10.0, 29.2), rel=0.03)
    assert quantiles(ratios, 0.95) == pytest.approx((7.5, 36.4), rel=0.03)


def test_loss_of_chinchilla_and_its_interval():
    """1.9734 [1.951, 2.001] for 70 B parameters on 1.4 T tokens."""
    law = chinchilla()
    assert law.law.loss(70e9, 1.4e12) == pytest.approx(1.9734, abs=2e-4)
    assert quantiles([draw.loss(70e9, 1.4e12) for draw in chinchilla_draws()], 0.95) == pytest.approx((1.951, 2.001), abs=0.002)


def test_the_law_is_surest_where_its_runs_lie():
    def width(flops):
        low, high = quantiles(chinchilla().ratios(flops), 0.95)
        return math.log(high / low)

    assert width(1.2e20) < width(1e22) < width(1e24)


@pytest.mark.skipif(not CONSTANTS.is_file(), reason=f"no {CONSTANTS}: set GROUNDUP_DATA")
def test_constants_are_the_published_ones():
    theirs, ours = json.loads(CONSTANTS.read_text()), published()
    given = theirs["muennighoff_2023"]
    assert ours["muennighoff"]["log_params"] == {name: given[name] for name in ("a", "b", "e")}
    assert ours["muennighoff"]["exponents"] == {name: given[name] for name in ("alpha", "beta")}
    assert (r_d_star(), r_n_star()) == (given["rd_star"], given["rn_star"])
    kaplan = theirs["kaplan_2020"]
    assert ours["kaplan"]["L_N"] == {name: kaplan["L_N"][name] for name in ("Nc", "alpha")}
    assert ours["kaplan"]["L_D"] == kaplan["L_D"]
    assert ours["kaplan"]["L_Cmin"] == kaplan["L_Cmin"]
    exponents = kaplan["alloc_exponents"]
    assert ours["kaplan"]["allocation"] == {"N": exponents["N"], "B": exponents["B"], "S": exponents["S"], "D": exponents["D_opt"]}
    bloomberg = theirs["bloomberggpt_regression"]["approach1"]
    line = ours["approach_1"]
    assert bloomberg["N"] == f"10^(log10(F)*{line['params']['exponent']}{line['params']['log10']})"
    assert bloomberg["D"] == f"10^(log10(F)*{line['tokens']['exponent']}+{line['tokens']['log10']})"
    laws = ours["hyperparameters"]
    step, deepseek, moonlight = (theirs[name] for name in ("step_law_2025", "deepseek_2024", "moonlight_2025"))
    rate, batch = laws["step-law"]["learning_rate"], laws["step-law"]["batch_tokens"]
    assert step["lr"] == f"{rate['factor']}*N^{rate['N']}*D^{rate['D']}"
    assert step["batch_tokens"] == f"{batch['factor']}*D^{batch['D']}"
    for given, mine in ((deepseek, laws["deepseek"]), (moonlight, laws["moonlight"])):
        digits = 4 if given is deepseek else 3
        assert given["lr"] == f"{mine['learning_rate']['factor']}*C^{mine['learning_rate']['C']:.{digits}f}"
        assert given["batch"] == f"{mine['batch_tokens']['factor']:.4f}*C^{mine['batch_tokens']['C']:.4f}"
    ladder = laws["olmo-ladder"]["batch_tokens"]
    assert theirs["olmo_ladder"]["batch_seqs_2048ctx"].startswith(
        f"{ladder['factor'] // 2048}*(N/{ladder['N_over'] / 1e6:.0f}e6)^(2/3)"
    )
