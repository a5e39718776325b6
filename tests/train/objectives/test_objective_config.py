import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from groundup.core.errors import ConfigError
from groundup.train.objectives.config import MAX_SENTINELS, TEXT_IS_ROW, UL2, DenoiserConfig, ObjectiveConfig, check_shape
from groundup.train.objectives.lengths import anticipated
from groundup.train.objectives.table import OBJECTIVES
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary, find_word_starts
from packed_rows import build, made_up_vocabulary


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.2}, "rate=0.2 has no effect with name='causal'; it belongs to name='masked' or"),
        ({"name": "masked", "mean_span_len": 5}, "mean_span_len=5.0 has no effect"),
        ({"name": "masked", "span_stop": 0.3}, "span_stop=0.3 has no effect with unit='token'"),
        ({"name": "span_corruption", "keep_share": 0.2}, "keep_share=0.2 has no effect"),
        ({"name": "prefix", "spm_share": 0.2}, "spm_share=0.2 has no effect"),
        ({"name": "masked", "denoisers": [{"mode": "S", "rate": 0.25}]}, r"denoisers=\(1 denoisers\) has no effect"),
        ({"name": "masked", "keep_share": 0.6, "random_share": 0.5}, "are more than 1 together"),
        ({"name": "denoising", "rate": 0.6}, "rate=0.6 leaves no room.*at most 0.5"),
        ({"name": "mixture", "denoisers": [{"mode": "R", "rate": 0.25}]}, "mode='R' needs mean_span_len"),
        ({"name": "mixture", "denoisers": [{"mode": "S", "rate": 0.25, "mean_span_len": 3}]}, "mean_span_len=3 has no effect"),
        ({"name": "maskd"}, "name"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ConfigError, match=message):
        ObjectiveConfig.parse(settings, "recipe.yaml")


def test_rates_are_those_of_the_papers():
    rates = {name: ObjectiveConfig(name=name).hidden_share for name in ("masked", "span_corruption", "denoising", "fill_in_middle")}
    assert rates == {"masked": 0.15, "span_corruption": 0.15, "denoising": 0.3, "fill_in_middle": 0.5}
    assert ObjectiveConfig(name="masked", rate=0.4).hidden_share == 0.4
    assert len(UL2) == 7
    assert UL2[2] == DenoiserConfig(mode="S", rate=0.25)


def test_settings_survive_a_round_trip():
    for name in OBJECTIVES:
        config = ObjectiveConfig(name=name)
        assert ObjectiveConfig.parse(config.model_dump(mode="json"), "again") == config


@pytest.mark.parametrize("name", OBJECTIVES)
def test_shapes_that_cannot_learn_an_objective(name):
    for shape in ("decoder", "prefix_decoder", "encoder", "encoder_decoder"):
        if shape in OBJECTIVES[name]:
            check_shape(name, shape)
        else:
            with pytest.raises(ConfigError, match=rf"objective.name='{name}' is for model.shape=.*model.shape='{shape}'"):
                check_shape(name, shape)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_which_rows_are_as_long_as_their_text(name):
    lengths = [32, 64, 256]
    for shape in OBJECTIVES[name]:
        strides = [anticipated(ObjectiveConfig(name=name), length, shape, MAX_SENTINELS).stride for length in lengths]
        assert (strides == lengths) == (name in TEXT_IS_ROW)


PLAIN = Vocabulary(61, SpecialTokens(eos_id=0))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("masked", "encoder", "needs a mask token.*tokenizer.special"),
        ("span_corruption", "encoder_decoder", "can need 3 sentinel tokens.*has 0.*tokenizer.special.*mean_span_len"),
        ("denoising", "encoder_decoder", "needs a mask token"),
        ("fill_in_middle", "decoder", "needs tokens for prefix, suffix and middle"),
        ("mixture", "encoder_decoder", "needs a token for mode 'R'"),
        ("mixture", "prefix_decoder", "needs a token for mode 'R'"),
    ],
)
def test_tokens_that_are_missing(name, shape, message):
    with pytest.raises(ConfigError, match=message):
        build(name, shape, {}, vocabulary=PLAIN)


def test_other_facts_of_the_tokenizer_that_are_missing():
    full = made_up_vocabulary()
    with pytest.raises(ConfigError, match=r"objective.unit='word' needs to know.*objective.unit='token'"):
        build("masked", "encoder", {"unit": "word"}, vocabulary=replace(full, word_starts=None))
    with pytest.raises(ConfigError, match=r"shuffle_share=1 shuffles sentences.*shuffle_share=0"):
        build("denoising", "encoder_decoder", {}, vocabulary=replace(full, sentence_ends=()))
    with pytest.raises(ConfigError, match=r"can need .* sentinel tokens.*has 3"):
        build("mixture", "encoder_decoder", {}, vocabulary=made_up_vocabulary(61, 3))


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in ("causal", "masked", "prefix")])
def test_sequences_that_are_too_short(name):
    for shape in OBJECTIVES[name]:
        with pytest.raises(ConfigError, match="seq_len=2 is too short"):
            build(name, shape, {}, seq_len=2)


def test_padding_is_eos_where_there_is_no_other():
    assert SpecialTokens(eos_id=3).padding == 3
    assert SpecialTokens(eos_id=3, pad_id=4).padding == 4


def test_ordinary_tokens_are_all_but_the_special_ones():
    vocabulary = made_up_vocabulary(61, 14)
    assert len(vocabulary.special.all) == 61 - len(vocabulary.ordinary) == 1 + 14 + 9
    assert not set(vocabulary.ordinary.tolist()) & vocabulary.special.all


@pytest.mark.parametrize(
    ("names", "begins"),
    [
        (["[MASK]", "in", "##ing", "."], [True, True, False, True]),
        (["<eos>", "Ġin", "ing", "Ċ", ".", "Ġ("], [True, True, False, True, True, True]),
        (["</s>", "▁in", "ing", ",", "▁"], [True, True, False, True, True]),
    ],
)
def test_words_begin_where_the_tokenizer_marks_them(names, begins):
    assert np.array_equal(find_word_starts(names), begins)


def test_settings_load_without_torch():
    code = "import sys, groundup.train.objectives.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
