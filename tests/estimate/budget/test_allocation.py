"""Laws of size and tokens against what their papers print."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import LAWS, KaplanAllocation, Run, approach_1, approach_2, chinchilla, muennighoff
from groundup.estimate.budget.hyperparameters import suggestions
from groundup.estimate.compute import PF_DAY_FLOPS

BLOOMBERG_FLOPS = 1.3e6 * 0.75 * 3600 * 101e12


@pytest.mark.parametrize("name", LAWS)
def test_more_compute_is_spent_on_both(name):
    law = LAWS[name]()
    runs = [law.best(10.0**power) for power in range(19, 27)]
    assert all(low.params < high.params and low.tokens < high.tokens for low, high in itertools.pairwise(runs))
    assert len(law.source) > 20


@pytest.mark.parametrize("name", LAWS)
@settings(max_examples=20)
@given(power=st.floats(19, 25))
def test_the_reverse_questions_lead_back(name, power):
    law = LAWS[name]()
    run = law.best(10.0**power)
    assert law.for_params(run.params).tokens == pytest.approx(run.tokens, rel=1e-5)
    assert law.for_tokens(run.tokens).params == pytest.approx(run.params, rel=1e-5)


def test_bloomberggpt_was_planned_so():
    """Wu et al. 2023, section 3.2: 53.0 B on 1,111 B tokens by approach 1, 49.75 B on 1,175 B by approach 2."""
    first, second = approach_1().best(BLOOMBERG_FLOPS), approach_2().best(BLOOMBERG_FLOPS)
    assert (first.params, first.tokens) == pytest.approx((52.993e9, 1111.112e9), rel=0.05)
    assert (second.params, second.tokens) == pytest.approx((49.75e9, 1175e9), rel=0.05)


def test_kaplan_without_embeddings():
    """Kaplan et al. 2020, table 6: 1.3e9 parameters at one PF-day, growing as C^0.73; equations 1.3 and 1.5."""
    law = KaplanAllocation()
    for pf_days in (1.0, 100.0, 1e4):
        run = law._run(pf_days * PF_DAY_FLOPS)  # of compute without embeddings
        assert law.core_params(run.params) == pytest.approx(1.3e9 * pf_days**0.73, rel=1e-6)
        assert 6 * law.core_params(run.params) * run.tokens == pytest.approx(pf_days * PF_DAY_FLOPS, rel=1e-6)
    assert law.best(1e22).flops == pytest.approx(1e22, rel=1e-6)
    assert law.loss_of_compute(3.1e8 * PF_DAY_FLOPS) == pytest.approx(1.0)
    whole = Run(law.with_embeddings(8.8e13), 1e30)
    assert law.loss(whole) == pytest.approx(1.0, rel=1e-3)


def test_embeddings_of_gpt2_are_about_right():
    """GPT-2 XL: 1,475 M without embeddings and 82 M in them; its width is 33 times its depth, not 100."""
    law = KaplanAllocation()
    assert law.with_embeddings(1_475_561_600) - 1_475_561_600 == pytest.approx(82_049_600, rel=0.5)


def test_four_epochs_are_nearly_free_and_more_are_not():
    """Muennighoff et al. 2023, abstract: up to 4 epochs change the loss little against fresh text."""
    law = muennighoff()

    def lost(epochs):
        tokens = 100e9
        return law.with_unique(tokens / epochs).law.loss(4e9, tokens) - law.law.loss(4e9, tokens)

    assert lost(4) < 0.02 < 5 * lost(4) < lost(100)


def test_with_little_text_more_epochs_before_more_parameters():
    """The same, section 5: compute beyond the unique optimum goes to epochs faster than to parameters."""
    law = muennighoff()
    free, bound = law.best(1e23), law.with_unique(1e11).best(1e23)
    assert bound.tokens > free.tokens
    assert bound.params < free.params


@pytest.mark.parametrize(
    ("name", "rate", "batch"),
    [
        ("step-law", 1.79 * 7e9**-0.713 * 1.4e11**0.307, 0.58 * 1.4e11**0.571),
        ("deepseek", 0.3118 * 5.88e21**-0.1250, 0.2920 * 5.88e21**0.3271),
        ("moonlight", 0.0127 * 5.88e21**-0.057, 0.0065 * 5.88e21**0.4138),
        ("olmo-ladder", None, 2048 * 160 * (7e9 / 108e6) ** (2 / 3)),
    ],
)
def test_batch_and_learning_rate(name, rate, batch):
    found = {suggestion.law: suggestion for suggestion in suggestions(Run(7e9, 1.4e11))}[name]
    assert found.batch_tokens == pytest.approx(batch)
    assert found.learning_rate is None if rate is None else found.learning_rate == pytest.approx(rate)


def test_far_from_the_runs_of_the_fit():
    law = chinchilla()
    assert law.range.beyond(Run(1e9, 2e10))[0] <= 1
    assert law.range.beyond(Run(1.6e12, 1e12))[0] == pytest.approx(100)
    assert law.range.beyond(Run(1e9, 5e7))[0] == pytest.approx(100)


def test_what_is_best_for_no_budget_is_refused():
    with pytest.raises(ConfigError, match="for no budget"):
        chinchilla().for_tokens(1e40)
    assert math.isfinite(chinchilla().for_tokens(1e16).params)
