"""Use, adapt, own or cannot tell: each answer from the facts that must give it, and the numbers behind."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from groundup.core.errors import ConfigError
from groundup.estimate.laws import CHINCHILLA, effective_tokens
from groundup.plan.budget.ask import plan_budget
from groundup.plan.budget.config import BudgetQuestion
from groundup.plan.candidates import (
    EPOCHS,
    FERTILITY_FITS,
    GAIN,
    TEXT_FACTOR,
    THRESHOLDS,
    CandidateFacts,
    Purse,
    TextFacts,
    TokenizerFacts,
    adapted,
    as_json,
    best_of,
    own_model,
    purse,
)
from groundup.plan.candidates_rules import choose
from groundup.plan.candidates_text import render

TEXT = TextFacts(bytes=400_000_000, held_out_bytes=100_000, bytes_per_token=4.0, vocab_size=16_000, baseline_bits_per_byte=2.0)
OWN = TokenizerFacts("trained on the text", 16_000, 1.3, 4.0, 0.0, 1.0)
THEIRS = TokenizerFacts("theirs", 50_000, 1.4, 3.8, 0.0, 1.05)
GOOD = CandidateFacts("theirs", 1_000_000_000, THEIRS, bits_per_byte=0.9, gain=0.1)
RICH = Purse(1e22, 1e18, "plenty")


def answer(text: TextFacts = TEXT, candidates: tuple[CandidateFacts, ...] = (GOOD,), budget: Purse = RICH) -> Any:
    return choose(text, (OWN, THEIRS), candidates, budget)


@pytest.mark.parametrize(
    ("wanted", "text", "candidate", "budget"),
    [
        ("adapt", {}, {}, RICH),
        ("adapt", {}, {}, Purse()),  # what it costs is said, what may be spent is not
        ("use", {}, {"gain": 0.01}, RICH),
        ("use", {}, {}, Purse(1e15, None, "little")),
        ("own", {}, {"bits_per_byte": 2.5}, RICH),
        ("cannot_tell", {}, {"bits_per_byte": 2.5}, Purse()),
        ("own", {"bytes": 400_000_000_000}, {}, Purse(1e24, None, "much")),  # 1e11 tokens bear 20 G parameters, 1e24 FLOPs 91 G
        (
            "adapt",
            {"bytes": 400_000_000_000},
            {},
            Purse(1e20, None, "little"),
        ),  # 0.9 G parameters, or 1.7e10 tokens of adapting
        (
            "own",
            {"bytes": 400_000_000_000, "baseline_bits_per_byte": 9.0},
            {"bits_per_byte": 3.0, "params": 10**12},
            Purse(1e22),
        ),  # the law
        ("cannot_tell", {}, {"bits_per_byte": None, "gain": None, "why_not": "an encoder"}, RICH),
    ],
)
def test_each_answer_from_its_facts(wanted: str, text: dict[str, Any], candidate: dict[str, Any], budget: Purse) -> None:
    found = answer(replace(TEXT, **text), (replace(GOOD, **candidate),), budget)
    assert found.recommendation == wanted, found.summary


def test_without_candidates_it_cannot_be_told_and_says_what_is_missing() -> None:
    found = answer(candidates=(), budget=Purse())
    assert found.recommendation == "cannot_tell"
    assert [option.way for option in found.options] == ["own"]
    assert any("--candidate" in line for line in found.missing)
    assert any("budget" in line for line in found.missing)


def test_of_candidates_the_one_that_predicts_best_counts() -> None:
    worse, unmeasured = replace(GOOD, name="worse", bits_per_byte=1.0), replace(GOOD, name="x", bits_per_byte=None, why_not="why")
    assert best_of((worse, unmeasured, GOOD)) == GOOD
    found = answer(candidates=(worse, unmeasured, GOOD))
    assert "theirs" in found.summary
    assert "x: why" in found.missing


def test_a_tokenizer_that_cuts_too_much_is_to_be_extended() -> None:
    split = replace(GOOD, tokenizer=replace(THEIRS, ratio=1.5))
    assert "extend its tokenizer" in answer(candidates=(split,)).summary
    assert "extend" not in answer().summary


def test_own_model_is_that_of_plan_budget() -> None:
    """1e8 tokens seen 4 times, or 1e16 FLOPs: the size and tokens of `plan budget`, not twenty tokens a parameter."""
    free, asked = own_model(TEXT, Purse()), plan_budget(BudgetQuestion(tokens=4e8)).run
    assert (free.params, free.tokens, free.epochs) == (asked.params, 4e8, 4.0)
    assert free.flops == pytest.approx(6 * asked.params * 4e8)
    poor, asked = own_model(TEXT, Purse(1e16, 1e15)), plan_budget(BudgetQuestion(flops=1e16)).run
    assert (poor.params, poor.tokens) == (asked.params, asked.tokens)
    assert poor.flops == pytest.approx(1e16)
    assert poor.device_hours == pytest.approx(10)
    assert own_model(TEXT, RICH) == replace(free, why="the text bears no more", device_hours=RICH.hours(free.flops))


@given(size=st.integers(100_000, 10**14), flops=st.floats(1e12, 1e26))
def test_own_model_stays_within_text_and_budget(size: float, flops: float) -> None:
    own = own_model(replace(TEXT, bytes=size), Purse(flops))
    assert own.epochs is not None
    assert own.flops is not None
    assert own.epochs <= EPOCHS.value * (1 + 1e-12)
    assert own.flops <= flops * (1 + 1e-12)
    assert max(own.epochs / EPOCHS.value, own.flops / flops) == pytest.approx(1)


def test_the_loss_of_ones_own_is_that_of_the_law_where_it_covers_it() -> None:
    text = replace(TEXT, bytes=400_000_000_000, vocab_size=32_000)
    own = own_model(text, Purse(1e21))
    tokens = effective_tokens(own.tokens or 0, text.tokens)
    assert own.bits_per_byte == pytest.approx(CHINCHILLA.loss(own.params or 0, tokens) / math.log(2) / 4)
    assert own.interval == (own.bits_per_byte / TEXT_FACTOR.value, own.bits_per_byte * TEXT_FACTOR.value)
    small = answer()
    assert small.options[-1].bits_per_byte is None
    assert any("cannot tell" in reason.finding for reason in small.reasons)


def test_adapting_costs_an_epoch() -> None:
    option = adapted(GOOD, TEXT, RICH)
    assert option.tokens == pytest.approx(4e8 / 3.8)
    assert option.flops == pytest.approx(6e9 * 4e8 / 3.8)
    assert [adapted(GOOD, TEXT, Purse(flops)).possible for flops in (None, 1e10, 1e22)] == [None, False, True]
    part = adapted(GOOD, replace(TEXT, bytes=400_000_000_000), Purse(6e9 * 1.1e8))  # of 1e11 tokens a part that is worth it
    assert (part.possible, part.tokens) == (True, pytest.approx(1.1e8))
    assert part.epochs == pytest.approx(1.1e8 / 4e11 * 3.8)


def test_every_reason_has_its_numbers_and_every_threshold_a_source() -> None:
    for found in (answer(), answer(candidates=()), answer(budget=Purse())):
        for reason in found.reasons:
            assert reason.numbers, reason.question
            assert reason.threshold is None or reason.threshold in THRESHOLDS
    assert all(threshold.source for threshold in THRESHOLDS)
    assert len({threshold.name for threshold in THRESHOLDS}) == len(THRESHOLDS)
    assert (GAIN.value, FERTILITY_FITS.value) == (0.02, 1.2)


def test_as_json_is_json_and_the_screen_shows_the_answer() -> None:
    found = answer()
    plain = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert plain.keys() == set(found.__dataclass_fields__)
    assert plain["text"]["tokens"] == 1e8
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(found))
    console.file.close()
    text = console.export_text()
    assert text.startswith("ADAPT: adapt theirs")
    for name in ("FERTILITY_FITS = 1.2", "GAIN = 0.02", "Does a model at hand know the text?", "0.900"):
        assert name in text


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"flops": 1e18, "device_hours": 3.0, "flops_per_hour": 1.0}, "keep one"),
        ({"flops": -1.0}, "above 0"),
        ({"flops": math.nan}, "above 0"),
        ({"device_hours": 3.0}, "needs --hardware"),
        ({"money": 3.0, "flops_per_hour": 1.0}, "needs --price-per-hour"),
        ({"money": 3.0, "flops_per_hour": 1.0, "price_per_hour": 0.0}, "above 0"),
        ({"price_per_hour": 3.0}, "no effect"),
    ],
)
def test_impossible_budgets_are_refused(said: dict[str, float], says: str) -> None:
    words: dict[str, Any] = dict.fromkeys(("flops", "device_hours", "money", "price_per_hour", "flops_per_hour"))
    with pytest.raises(ConfigError, match=says):
        purse(**{**words, **said})


def test_budgets_in_every_way() -> None:
    assert purse(1e18, None, None, None, None).flops == 1e18
    assert purse(None, 10.0, None, None, 1e17).flops == 1e18
    assert purse(None, None, 30.0, 3.0, 1e17).flops == 1e18
    assert purse(None, None, None, None, 1e17) == Purse(None, 1e17, "")
