"""Choices of the architecture that make no sense together are refused with the keys and the way out."""

import pytest

import models
from groundup.core.errors import ConfigError
from groundup.nn.config import ArchitectureConfig, ModelConfig

CHOICES = [
    ({"shape": "encoder", "position": "none"}, "shape='encoder' with position='none'.*set position"),
    ({"shape": "prefix_decoder", "attention": "performer"}, "performer' has no form with a prefix; set attention='full'"),
    ({"shape": "encoder_decoder", "segments": 2}, "segments=2 belongs to encoders and decoders alone; leave it out"),
    ({"attention": "performer", "position": "alibi"}, "position='alibi' is added to scores.*set position to rope"),
    ({"attention": "performer", "position": "t5_bias"}, "position='t5_bias' is added to scores.*set position to rope"),
    ({"attention": "performer", "attention_soft_cap": 30.0}, "attention_soft_cap acts on scores.*leave attention_soft_cap out"),
    ({"attention": "performer", "attention_dropout": 0.1}, "attention_dropout acts on scores.*leave attention_dropout out"),
    ({"position": "transformer_xl", "attention": "big_bird"}, "which attention='big_bird' has no place for; set attention='full'"),
    ({"position": "transformer_xl", "attention_soft_cap": 9.0}, "attention_soft_cap=9.0 has no place.*set attention_soft_cap=null"),
    ({"position": "transformer_xl", "shape": "encoder_decoder"}, "is for one stack.*set shape to decoder or encoder"),
    ({"attention": "sliding_window"}, "needs window, the tokens that are seen on a side; for example window=256"),
    ({"window": 8}, "window=8 has no effect with attention='full'; it belongs to attention='sliding_window'"),
    ({"attention": "sparse_fixed", "sparse_block": 8, "sparse_summary": 9}, "sparse_summary=9 is more than a block.*at most 8"),
    ({"rope_scaling": "yarn", "rope_factor": 4.0}, "rope_scaling='yarn' needs rope_original_len"),
    ({"rope_scaling": "linear"}, "rope_scaling='linear' with rope_factor=1 stretches nothing; set rope_factor above 1"),
    ({"position": "alibi", "rope_theta": 5e5}, "rope_theta=500000.0 has no effect with position='alibi'"),
    ({"position": "alibi", "t5_buckets": 16}, "t5_buckets=16 has no effect with position='alibi'"),
    ({"position": "t5_bias", "t5_max_distance": 16}, "16 of t5_buckets=32 are of one distance each; set t5_max_distance above 16"),
    ({"shape": "encoder", "position": "t5_bias", "t5_max_distance": 8}, "8 of t5_buckets=32 are of one distance each"),
    ({"shape": "encoder_decoder", "position": "t5_bias", "t5_max_distance": 16}, "16 of t5_buckets=32 are of one distance each"),
    ({"shape": "encoder", "position": "t5_bias", "t5_buckets": 31}, "t5_buckets=31 is odd.*make it even"),
    ({"init": "deepnorm", "residual": "post"}, "residual='post'; set residual='deepnorm', or another init"),
    ({"residual": "deepnorm"}, "residual='deepnorm'.*but init='gpt2'; set init='deepnorm', or another residual"),
    ({"mup_base_dim": 64}, "mup_base_dim=64 has no effect with init='gpt2'"),
]
SIZES = [
    ({"dim": 30}, "dim=30 is not a multiple of num_heads=4; nearest fewer heads that fit: 3"),
    ({"num_kv_heads": 3}, "num_heads=4 is not a multiple of num_kv_heads=3; nearest fewer that fit: 2"),
    ({"dim": 36, "head_dim": 0}, "dim / num_heads = 9 is odd; change num_heads"),
    ({"position": "sinusoidal", "dim": 33, "head_dim": 8}, "fills dims in pairs, but dim=33 is odd"),
    ({"attention": "sliding_window", "window": 97}, "window=97 is longer than max_seq_len=96, so it hides nothing"),
    (
        {"attention": "sparse_strided", "sparse_block": 96},
        "sparse_block=96 with attention='sparse_strided' is as long as max_seq_len",
    ),
    (
        {"attention": "sparse_fixed", "sparse_block": 500},
        "sparse_block=500 with attention='sparse_fixed' is as long as max_seq_len",
    ),
    ({"num_encoder_layers": 2}, "num_encoder_layers=2 with shape='decoder'; leave it out"),
    ({"shape": "encoder_decoder"}, "num_encoder_layers=0 with shape='encoder_decoder'; set it to at least 1"),
]


@pytest.mark.parametrize(("changes", "words"), CHOICES, ids=str)
def test_choices_that_make_no_sense_together(changes, words):
    with pytest.raises(ConfigError, match=words):
        ArchitectureConfig.parse(changes, "model")


@pytest.mark.parametrize(("changes", "words"), SIZES, ids=str)
def test_sizes_that_make_no_sense_together(changes, words):
    with pytest.raises(ConfigError, match=words):
        ModelConfig.parse(models.small_config().model_dump() | {"head_dim": 0} | changes, "model")


def test_a_bias_of_as_few_distances_as_buckets_allow():
    """Just above the bound every distance has a bucket that exists."""
    model = models.small_model(position="t5_bias", t5_buckets=8, t5_max_distance=5)
    assert model(models.some_inputs("decoder", models.some_tokens(1, 40))).isfinite().all()
