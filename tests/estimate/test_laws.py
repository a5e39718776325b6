import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.estimate.laws import CHINCHILLA, R_D_STAR, SMALL_RUNS, effective_tokens


def test_refit_gives_chinchilla_the_published_loss():
    # Besiroglu et al. 2024: the refit's loss for 70 B parameters and 1.4 T tokens; the difference is the rounding of the constants.
    assert CHINCHILLA.loss(70e9, 1.4e12) == pytest.approx(1.9734, abs=1e-3)


def test_fresh_tokens_count_fully():
    assert effective_tokens(3e6, 4e6) == 3e6
    assert effective_tokens(4e6, 4e6) == 4e6


def test_four_epochs_are_nearly_as_good_as_fresh_text():
    # Muennighoff et al. 2023, abstract: up to 4 epochs of repeated data change the loss little against unique data.
    assert effective_tokens(4.0, 1.0) == pytest.approx(4.0, rel=0.08)


def test_repetition_is_worth_at_most_its_half_life():
    assert effective_tokens(1e9, 1.0) == pytest.approx(1 + R_D_STAR)


@given(st.floats(1, 1e12), st.floats(1, 1e12), st.floats(1, 1e12))
def test_more_tokens_are_never_worth_less(fewer, more, unique):
    fewer, more = sorted((fewer, more))
    assert effective_tokens(fewer, unique) <= effective_tokens(more, unique) * (1 + 1e-12)
    assert effective_tokens(more, unique) <= more * (1 + 1e-12)


@pytest.mark.parametrize("law", [CHINCHILLA, SMALL_RUNS])
def test_a_law_covers_its_runs_and_no_others(law):
    params, tokens = law.params[0], law.tokens[1]
    assert law.covers(params, tokens, law.vocab_size)
    assert law.covers(params, tokens, 2 * law.vocab_size)
    assert not law.covers(params * 0.99, tokens, law.vocab_size)
    assert not law.covers(params, tokens * 1.01, law.vocab_size)
    assert not law.covers(params, tokens, law.vocab_size // 2 - 1)
