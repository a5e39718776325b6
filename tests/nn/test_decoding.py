"""Prompts continued together, from a source, along several beams, and inside a text."""

import itertools

import pytest
import torch

import models
from groundup.core.errors import ConfigError
from groundup.nn.beam import beam_search
from groundup.nn.generate import fill_masks, generate, generate_batch
from groundup.nn.sampling import Greedy, Random
from groundup.nn.transformer import Inputs
from models import small_model

PROMPTS = [[5, 9, 2], [7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [60, 3]]
DECODERS = [changes for changes in models.architectures() if changes["shape"] != "encoder"]
START = (1,)


def start_of(changes):
    return START if changes["shape"] == "encoder_decoder" else ()


@pytest.mark.parametrize("changes", DECODERS, ids=models.name_of)
def test_prompts_of_unequal_lengths_are_continued_as_alone(changes):
    model = small_model(**changes)
    together = generate_batch(model, PROMPTS, 12, [Greedy() for _ in PROMPTS], start_ids=start_of(changes))
    alone = [list(generate(model, prompt, 12, Greedy(), start_ids=start_of(changes))) for prompt in PROMPTS]
    assert together == alone


@pytest.mark.parametrize("changes", DECODERS, ids=models.name_of)
def test_a_cache_changes_no_greedy_token(changes):
    model = small_model(**changes)
    cached, plain = (
        list(generate(model, PROMPTS[2], 20, Greedy(), start_ids=start_of(changes), use_cache=use)) for use in (True, False)
    )
    assert cached == plain
    assert len(cached) == 20


def test_each_prompt_has_a_random_stream_of_its_own():
    model = small_model()

    def samplers():
        return [Random(1.3, seed=seed) for seed in range(len(PROMPTS))]

    together = generate_batch(model, PROMPTS, 10, samplers())
    assert together == [list(generate(model, p, 10, s)) for p, s in zip(PROMPTS, samplers(), strict=True)]


def test_a_row_that_ended_leaves_the_others_alone():
    model = small_model()
    free = generate_batch(model, PROMPTS, 15, [Greedy() for _ in PROMPTS])
    eos_id = free[1][4]
    ended = generate_batch(model, PROMPTS, 15, [Greedy() for _ in PROMPTS], eos_id)
    assert ended == [list(itertools.takewhile(lambda token: token != eos_id, row)) for row in free]


@pytest.mark.parametrize("shape", ["decoder", "encoder_decoder"])
def test_one_beam_is_greedy(shape):
    model = small_model(shape=shape, **models.SHAPES[shape])
    start = START if shape == "encoder_decoder" else ()
    (only,) = beam_search(model, PROMPTS[2], 10, 1, start_ids=start)
    assert list(only.tokens) == list(generate(model, PROMPTS[2], 10, Greedy(), start_ids=start))


def all_continuations(model, prompt, length):
    """Every continuation of that length with its log-probability, by trying all."""
    tokens = torch.tensor(list(itertools.product(range(model.config.vocab_size), repeat=length)))
    rows = torch.cat((torch.tensor([prompt]).expand(len(tokens), -1), tokens), dim=1)
    with torch.no_grad():
        log_probs = model(Inputs(rows)).log_softmax(-1)[:, len(prompt) - 1 : -1]
    totals = log_probs.gather(2, tokens[..., None]).sum((1, 2))
    return {tuple(row): total for row, total in zip(tokens.tolist(), totals.tolist(), strict=True)}


def test_as_many_beams_as_there_are_find_the_best():
    model = small_model(vocab_size=6)
    scores = all_continuations(model, [1, 2, 3], 3)
    best = sorted(scores, key=lambda tokens: -scores[tokens])[:5]
    found = beam_search(model, [1, 2, 3], 3, 36)[:5]
    assert [hypothesis.tokens for hypothesis in found] == best
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(scores[hypothesis.tokens] / 3, abs=1e-4)


def test_more_beams_never_find_worse():
    model = small_model()
    scores = [beam_search(model, [4, 8, 15], 8, beams)[0].score for beams in (1, 2, 4, 8)]
    assert scores[-1] >= scores[0] - 1e-6


def test_a_beam_ends_before_the_end_token():
    model = small_model(vocab_size=6, init_std=0.3)
    found = beam_search(model, [1, 2, 3], 10, 3, eos_id=2)
    assert all(2 not in hypothesis.tokens for hypothesis in found)
    assert [hypothesis.score for hypothesis in found] == sorted((hypothesis.score for hypothesis in found), reverse=True)


def test_masked_tokens_are_filled_by_their_probabilities():
    model = small_model(shape="encoder")
    tokens, mask_id = [5, 0, 9, 12, 0, 3], 0
    filled = fill_masks(model, tokens, mask_id, top=3)
    with torch.no_grad():
        probs = model(Inputs(torch.tensor([tokens])))[0].softmax(-1)
    assert len(filled) == 2
    for place, row in zip((1, 4), filled, strict=True):
        assert [token for token, _ in row] == probs[place].topk(3).indices.tolist()
        assert [prob for _, prob in row] == pytest.approx(probs[place].topk(3).values.tolist())


@pytest.mark.parametrize(
    ("shape", "call", "words"),
    [
        ("encoder", lambda m: generate(m, [1], 3, Greedy()), "fill masked tokens instead"),
        ("decoder", lambda m: fill_masks(m, [1], 1), "filled by an encoder"),
        ("encoder", lambda m: fill_masks(m, [1, 2], 7), "no token of the text is the mask"),
        ("encoder", lambda m: fill_masks(m, [1, 2], 1, top=0), "top=0"),
        ("encoder_decoder", lambda m: generate(m, [1], 3, Greedy()), "no tokens"),
        ("encoder_decoder", lambda m: generate(m, [1] * 97, 3, Greedy(), start_ids=[1]), "source of 97 tokens"),
        ("decoder", lambda m: generate_batch(m, [], 3, []), "at least one prompt"),
        ("decoder", lambda m: generate_batch(m, [[1]], 3, []), "a sampler for each"),
        ("decoder", lambda m: generate_batch(m, [[1], []], 3, [Greedy(), Greedy()]), "no tokens"),
        ("decoder", lambda m: beam_search(m, [1], 3, 0), "num_beams=0"),
    ],
)
def test_what_cannot_be_done_is_refused_with_words(shape, call, words):
    with pytest.raises(ConfigError, match=words):
        call(small_model(shape=shape, **models.SHAPES[shape]))
