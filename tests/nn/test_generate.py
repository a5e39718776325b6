"""Text continued token by token."""

import math
from collections import Counter

import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.nn.config import GenerationConfig, ModelConfig
from groundup.nn.generate import generate
from groundup.nn.sampling import Greedy, Penalised, Random, make_sampler, nucleus
from groundup.nn.text import until
from groundup.nn.transformer import build_model

PROMPT = [5, 9, 2]


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(vocab_size=61, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_dim=48, max_seq_len=32, init_std=0.2)
    model = build_model(config)
    model.init_weights(torch.Generator().manual_seed(0))
    return model.eval()


def test_greedy_is_the_same_with_and_without_a_cache(model):
    cached = list(generate(model, PROMPT, 29, Greedy()))
    assert cached == list(generate(model, PROMPT, 29, Greedy(), use_cache=False))
    assert len(cached) == 29


def test_none_fills_the_length_of_the_model(model):
    assert len(list(generate(model, PROMPT, None, Greedy()))) == 29


def test_it_stops_before_the_end_of_document(model):
    text = list(generate(model, PROMPT, 20, Greedy()))
    eos_id = text[7]
    assert list(generate(model, PROMPT, 20, Greedy(), eos_id=eos_id)) == text[: text.index(eos_id)]


def test_tokens_come_one_by_one(model):
    calls = []

    class Counting(Greedy):
        def __call__(self, logits, seen=()):
            calls.append(1)
            return super().__call__(logits, seen)

    stream = generate(model, PROMPT, 10, Counting())
    next(stream)
    assert len(calls) == 1


def test_a_seed_gives_one_text_and_another_seed_another(model):
    def text(seed):
        return list(generate(model, PROMPT, 29, Random(temperature=1.5, seed=seed)))

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_sampling_leaves_the_global_random_state_alone(model):
    before = torch.get_rng_state()
    list(generate(model, PROMPT, 5, Random()))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("prompt", "count", "words"),
    [
        ([], 3, "no tokens"),
        ([61], 3, "outside the model's vocabulary of 61"),
        ([-1], 3, "outside"),
        (PROMPT, 30, "at most|0 to 29 new tokens"),
        (PROMPT, -1, "0 to 29 new tokens"),
        ([1] * 32, 1, "shorten the prompt to at most 31"),
        ([1] * 32, None, "shorten the prompt to at most 31"),
    ],
)
def test_what_cannot_be_continued_is_refused_at_once(model, prompt, count, words):
    with pytest.raises(ConfigError, match=words):
        generate(model, prompt, count, Greedy())


def draws(sampler, logits, times=2000):
    return Counter(sampler(logits) for _ in range(times))


def test_frequencies_are_the_probabilities():
    probs = torch.tensor([0.5, 0.2, 0.2, 0.1])
    counts = draws(Random(seed=3), probs.log())
    for token, prob in enumerate(probs.tolist()):
        assert counts[token] / 2000 == pytest.approx(prob, abs=0.04)  # four standard errors of 2000 draws


def test_temperature_sharpens_and_flattens():
    logits = torch.tensor([0.0, 1.0])
    assert draws(Random(temperature=0.2), logits)[1] > draws(Random(temperature=5.0), logits)[1]


def test_top_k_and_top_p_cut_the_tail():
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()
    assert set(draws(Random(top_k=2), logits)) == {1, 2}
    assert set(draws(Random(top_p=0.65), logits)) == {1, 2}
    assert set(draws(Random(top_p=1e-6), logits)) == {1}
    assert set(draws(Random(top_k=99), logits)) == {0, 1, 2, 3}


def test_the_nucleus_is_the_fewest_that_reach_p():
    assert nucleus(torch.tensor([0.5, 0.25, 0.25]), 0.75).tolist() == [0.5, 0.25, 0.0]
    assert nucleus(torch.tensor([0.5, 0.25, 0.25]), 0.76).tolist() == [0.5, 0.25, 0.25]


def test_min_p_keeps_what_is_near_the_likeliest():
    logits = torch.tensor([0.1, 0.4, 0.3, 0.2]).log()
    assert set(draws(Random(min_p=0.6), logits)) == {1, 2}
    assert set(draws(Random(min_p=1.0), logits)) == {1}


def test_a_penalty_makes_what_was_seen_less_likely():
    logits = torch.tensor([2.0, 1.5, -1.0, -1.2])
    assert Penalised(Greedy(), 1.5)(logits, [0]) == 1  # 2 / 1.5 < 1.5
    assert Penalised(Greedy(), 1.2)(logits, [0, 0]) == 0  # once, however often it was seen
    assert Penalised(Greedy(), 1.5)(logits[2:], [0]) == 1  # -1 * 1.5 < -1.2
    assert Penalised(Greedy(), 1.0)(logits, [0, 1, 2, 3]) == 0
    assert logits.tolist() == pytest.approx([2.0, 1.5, -1.0, -1.2])


def test_a_tiny_temperature_is_greedy():
    logits = torch.randn(50, generator=torch.Generator().manual_seed(1))
    assert draws(Random(temperature=1e-30), logits, 20) == {int(logits.argmax()): 20}


def parsed(**settings):
    return GenerationConfig.parse(settings, "generate")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"greedy": True, "temperature": 0.7}, r"greedy and temperature=0\.7: "),
        ({"greedy": True, "top_k": 3, "top_p": 0.5}, r"greedy and top_k=3, top_p=0\.5: "),
        ({"temperature": 0.0, "top_k": 3}, "temperature=0 and top_k=3: "),
        ({"temperature": 0.0, "min_p": 0.1}, r"temperature=0 and min_p=0\.1: "),
        ({"num_beams": 4, "top_p": 0.95}, r"num_beams=4 and top_p=0\.95: "),
        ({"num_beams": 4, "repetition_penalty": 1.2}, r"num_beams=4 and repetition_penalty=1\.2: "),
        ({"length_penalty": 0.6}, r"num_beams=1 and length_penalty=0\.6: "),
        ({"stop": [""]}, "ends every text before it begins"),
        ({"temprature": 1.0}, "did you mean 'temperature'"),
    ],
)
def test_settings_without_effect_are_refused_by_name(said, words):
    with pytest.raises(ConfigError, match=words):
        parsed(**said)


def test_what_is_not_said_is_sampled_or_greedy():
    assert isinstance(make_sampler(parsed()), Random)
    assert isinstance(make_sampler(parsed(temperature=0.0)), Greedy)
    assert isinstance(make_sampler(parsed(greedy=True)), Greedy)
    assert isinstance(make_sampler(parsed(greedy=True, repetition_penalty=1.1)), Penalised)


@pytest.mark.parametrize(
    ("texts", "stops", "wanted"),
    [
        (["one", " two", " three"], ["tw"], ["one", " "]),
        (["a", "b", "c", "d"], ["bc"], ["a"]),
        (["a", "b", "x"], ["bc"], ["a", "bx"]),
        (["ab"], ["b", "a"], []),
        (["a", "b"], [], ["a", "b"]),
        (["x", "a", "a", "b"], ["aab"], ["x"]),
        (["x", "a"], ["aab"], ["x", "a"]),
    ],
)
def test_text_ends_before_the_first_stop(texts, stops, wanted):
    assert list(until(iter(texts), stops)) == wanted


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1.0},
        {"temperature": 1e-50},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"seed": 2**64},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": -0.1},
        {"min_p": 1.1},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Random(**settings)


@pytest.mark.parametrize("penalty", [0.0, -1.0, math.inf, math.nan])
def test_an_impossible_penalty_is_refused(penalty):
    with pytest.raises(ConfigError, match="repetition_penalty"):
        Penalised(Greedy(), penalty)
