"""Text made by imported models is that of `transformers`."""

import pytest
import torch

from groundup.nn.beam import beam_search
from groundup.nn.decoding import checked_count
from groundup.nn.generate import generate, generate_batch
from groundup.nn.sampling import Greedy

transformers = pytest.importorskip("transformers")
import families  # noqa: E402  it needs transformers

START = 2
"""What decoders of an encoder-decoder begin with."""
PROMPT = [3, 14, 15, 92, 65, 35, 89]
NEW = 20
GREEDY = ("GPT-2", "OPT", "BLOOM", "Mistral, sliding window", "GPT-NeoX (Pythia)", "T5 v1.0", "BART")
"""Learned positions, ALiBi, a window shorter than the text, rotary positions, relative biases, two stacks."""
BEAMS = 4
SUMS_OF_LOGARITHMS = 1e-5
"""Room for float32 sums of the log-probabilities of some twenty tokens."""


def their_text(theirs, shape, prompts, **settings):
    """Return what `transformers` makes after the prompts, padded on the left, and its scores."""
    length = max(map(len, prompts))
    tokens = torch.tensor([[families.PAD] * (length - len(prompt)) + prompt for prompt in prompts])
    ids = {"pad_token_id": families.PAD, "decoder_start_token_id": START if shape == "encoder_decoder" else None}
    chosen = {"eos_token_id": None, "max_new_tokens": NEW, "do_sample": False, **ids, **settings}
    theirs.generation_config = transformers.GenerationConfig(**chosen)
    mask = (tokens != families.PAD).long()
    made = theirs.generate(input_ids=tokens, attention_mask=mask, return_dict_in_generate=True, output_scores=True)
    start = 1 if shape == "encoder_decoder" else length
    return made.sequences[:, start:].tolist(), made


def start_ids(name):
    return [START] if families.FAMILIES[name].shape == "encoder_decoder" else []


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_text_is_that_of_transformers(pairs, name):
    theirs, ours = pairs(name)
    wanted, _ = their_text(theirs, families.FAMILIES[name].shape, [PROMPT])
    assert list(generate(ours, PROMPT, NEW, Greedy(), start_ids=start_ids(name))) == wanted[0]


@pytest.mark.parametrize("name", [name for name in GREEDY if name != "BART"])
def test_prompts_of_unequal_lengths_go_together(pairs, name):
    """BART of transformers counts padding on the left as positions, so its batches are compared with single prompts below."""
    theirs, ours = pairs(name)
    prompts = [PROMPT, PROMPT[2:5], PROMPT[1:]]
    wanted, _ = their_text(theirs, families.FAMILIES[name].shape, prompts)
    assert generate_batch(ours, prompts, NEW, [Greedy() for _ in prompts], start_ids=start_ids(name)) == wanted


def test_a_batch_of_bart_is_its_single_prompts(pairs):
    theirs, ours = pairs("BART")
    prompts = [PROMPT, PROMPT[2:5], PROMPT[1:]]
    wanted = [their_text(theirs, "encoder_decoder", [prompt])[0][0] for prompt in prompts]
    assert generate_batch(ours, prompts, NEW, [Greedy() for _ in prompts], start_ids=[START]) == wanted


def test_text_ends_where_that_of_transformers_does(pairs):
    theirs, ours = pairs("GPT-2")
    text = list(generate(ours, PROMPT, NEW, Greedy()))
    eos_id = text[5]
    wanted, _ = their_text(theirs, "decoder", [PROMPT], eos_token_id=eos_id)
    assert list(generate(ours, PROMPT, NEW, Greedy(), eos_id)) == wanted[0][: wanted[0].index(eos_id)]


def common_token(theirs, shape):
    """Return a token that beams run into: the last of the best one."""
    return their_text(theirs, shape, [PROMPT], num_beams=BEAMS)[0][0][-1]


@pytest.mark.parametrize("with_eos", [False, True])
@pytest.mark.parametrize("length_penalty", [1.0, 0.6])
@pytest.mark.parametrize("name", ["GPT-2", "BLOOM", "T5 v1.0"])
def test_beams_are_those_of_transformers(pairs, name, length_penalty, with_eos):
    theirs, ours = pairs(name)
    shape = families.FAMILIES[name].shape
    eos_id = common_token(theirs, shape) if with_eos else None
    wanted, made = their_text(
        theirs,
        shape,
        [PROMPT],
        num_beams=BEAMS,
        num_return_sequences=BEAMS,
        length_penalty=length_penalty,
        eos_token_id=eos_id,
    )
    found = beam_search(ours, PROMPT, NEW, BEAMS, length_penalty, eos_id, start_ids=start_ids(name))
    scores = made.sequences_scores.tolist()
    texts = [text[: text.index(eos_id)] if eos_id in text else text for text in wanted]
    assert [list(one.tokens) for one in found] == texts
    assert [one.score for one in found] == pytest.approx(scores, abs=SUMS_OF_LOGARITHMS)
    if with_eos and length_penalty < 1:  # a longer text is preferred else
        assert any(eos_id in text for text in wanted)


def test_an_imported_length_is_kept(pairs):
    _, ours = pairs("GPT-2")
    assert checked_count(ours.config, PROMPT, None) == families.LENGTH - len(PROMPT)
