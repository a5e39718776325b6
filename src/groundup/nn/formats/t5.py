"""T5 (Raffel et al. 2020), its version 1.1 (Shazeer 2020) and FLAN-T5."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import GATED, FeedForwardName, ModelConfig
from groundup.nn.formats.activations import name_of
from groundup.nn.formats.base import WHOLE_HEADS, Format, Row, Rule, weight
from groundup.nn.formats.given import Given

FEED_FORWARDS: dict[str, FeedForwardName] = {
    "relu": "relu",
    "gated-gelu": "geglu_tanh",
    "gated-silu": "swiglu",
    "gated-relu": "reglu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "silu": "silu",
    "gated-gelu_new": "geglu_tanh",
}
"""'gated-gelu' means the tanh approximation there, 'gelu' alone the exact function."""
SCALED_IF_TIED = Rule(lambda config: config.head_scale == config.tie_embeddings, "head_scale = tie_embeddings")


@final
class T5(Format):
    """A pre-norm encoder-decoder with RMS norm and relative biases; version 1.0 ties and scales the head, 1.1 has one of its own.

    config.json has no length, for which the biases have no need; `n_positions`, which the released ones have, is read and written.
    Version 5 of transformers writes the untied head as `scale_decoder_outputs: false`, earlier as `tie_word_embeddings: false`.
    """

    model_type = "t5"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "shape": ("encoder_decoder",),
        "position": ("t5_bias",),
        "scale_scores": (False,),
        "feed_forward": tuple(dict.fromkeys(FEED_FORWARDS.values())),
    }
    free = frozenset({"norm_eps", "t5_buckets", "t5_max_distance", "tie_embeddings", "head_scale"})
    rules = (WHOLE_HEADS, SCALED_IF_TIED)
    ignored = (r"^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$",)
    copies: ClassVar[Mapping[str, str]] = {
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
        "lm_head.weight": "shared.weight",
    }

    def settings(self, given: Given) -> dict[str, Any]:
        given.only(is_encoder_decoder=True, is_decoder=False)
        heads, layers = given.whole("num_heads"), given.whole("num_layers")
        tied = given.flag("scale_decoder_outputs", default=given.flag("tie_word_embeddings", default=True))
        dropout = given.number("dropout_rate", default=0.1)
        return {
            "shape": "encoder_decoder",
            "norm_eps": given.number("layer_norm_epsilon", default=1e-6),
            "position": "t5_bias",
            "t5_buckets": given.whole("relative_attention_num_buckets", default=32),
            "t5_max_distance": given.whole("relative_attention_max_distance", default=128),
            "scale_scores": False,
            "feed_forward": given.choice("feed_forward_proj", FEED_FORWARDS, default="relu"),
            "dropout": dropout,
            "attention_dropout": dropout,
            "tie_embeddings": tied,
            "head_scale": tied,
            "init": "t5",
            "vocab_size": given.whole("vocab_size"),
            "dim": given.whole("d_model"),
            "num_layers": given.whole("num_decoder_layers", default=layers),
            "num_encoder_layers": layers,
            "num_heads": heads,
            "num_kv_heads": heads,
            "head_dim": given.whole("d_kv"),
            "ffn_dim": given.whole("d_ff"),
            "max_seq_len": given.whole("n_positions", default=512),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "is_encoder_decoder": True,
            "d_model": config.dim,
            "d_kv": config.head_dim,
            "d_ff": config.ffn_dim,
            "num_layers": config.num_encoder_layers,
            "num_decoder_layers": config.num_layers,
            "num_heads": config.num_heads,
            "relative_attention_num_buckets": config.t5_buckets,
            "relative_attention_max_distance": config.t5_max_distance,
            "layer_norm_epsilon": config.norm_eps,
            "feed_forward_proj": name_of(config.feed_forward, FEED_FORWARDS),
            "dropout_rate": config.dropout,
            "n_positions": config.max_seq_len,
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        bias = "layer.0.SelfAttention.relative_attention_bias"
        return [
            *weight("shared", "embedding"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *weight(f"encoder.block.0.{bias}", "encoder.position.table"),
            *weight(f"decoder.block.0.{bias}", "decoder.position.table"),
            *weight("encoder.final_layer_norm", "encoder.norm"),
            *weight("decoder.final_layer_norm", "decoder.norm"),
            *_attention("encoder.block.N.layer.0.SelfAttention", "encoder.blocks.N.attention"),
            *_attention("decoder.block.N.layer.0.SelfAttention", "decoder.blocks.N.attention"),
            *_attention("decoder.block.N.layer.1.EncDecAttention", "decoder.blocks.N.cross_attention"),
            *_feed_forward("encoder.block.N.layer.1", "encoder.blocks.N.feed_forward", config),
            *_feed_forward("decoder.block.N.layer.2", "decoder.blocks.N.feed_forward", config),
            *_norms("encoder", 2),
            *_norms("decoder", 3),
        ]


def _attention(theirs: str, ours: str) -> list[Row]:
    names = {"q": "query", "k": "key", "v": "value", "o": "output"}
    return [row for short, long in names.items() for row in weight(f"{theirs}.{short}", f"{ours}.{long}")]


def _feed_forward(theirs: str, ours: str, config: ModelConfig) -> list[Row]:
    names = {"wi_0": "gate", "wi_1": "up"} if config.feed_forward in GATED else {"wi": "up"}
    names["wo"] = "down"
    return [row for short, long in names.items() for row in weight(f"{theirs}.DenseReluDense.{short}", f"{ours}.{long}")]


def _norms(stack: str, parts: int) -> list[Row]:
    numbers = range(parts)
    return [row for i in numbers for row in weight(f"{stack}.block.N.layer.{i}.layer_norm", f"{stack}.blocks.N.residual.norms.{i}")]
