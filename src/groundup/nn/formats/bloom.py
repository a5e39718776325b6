"""BLOOM (BigScience 2022)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, Rule, both, weight
from groundup.nn.formats.changes import HEAD_BY_HEAD
from groundup.nn.formats.given import Given

BLOCK = "decoder.blocks.N"
FOUR_WIDE = Rule(lambda config: config.ffn_dim == 4 * config.dim, "ffn_dim = 4 * dim")


@final
class Bloom(Format):
    """A pre-norm decoder with ALiBi and normalised embeddings; queries, keys and values lie head by head in one matrix.

    config.json has no length, for which ALiBi has no need; `seq_length`, which the released ones have, is read and written.
    """

    model_type = "bloom"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "norm": ("layer",),
        "embedding_norm": (True,),
        "position": ("alibi",),
        "feed_forward": ("gelu_tanh",),
        "bias": (True,),
    }
    free = frozenset({"norm_eps", "tie_embeddings"})
    rules = (SQUARE, WHOLE_HEADS, FOUR_WIDE)
    prefix = "transformer."
    copies: ClassVar[Mapping[str, str]] = {"lm_head.weight": "transformer.word_embeddings.weight"}

    def settings(self, given: Given) -> dict[str, Any]:
        given.only(apply_residual_connection_post_layernorm=False)
        dim, heads = given.whole("n_embed", "hidden_size"), given.whole("n_head", "num_attention_heads")
        return {
            "norm": "layer",
            "norm_eps": given.number("layer_norm_epsilon", default=1e-5),
            "embedding_norm": True,
            "position": "alibi",
            "feed_forward": "gelu_tanh",
            "bias": True,
            "dropout": given.number("hidden_dropout", default=0.0),
            "attention_dropout": given.number("attention_dropout", default=0.0),
            "tie_embeddings": given.flag("tie_word_embeddings", default=True),
            "init_std": given.number("initializer_range", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": dim,
            "num_layers": given.whole("n_layer", "num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": 4 * dim,
            "max_seq_len": given.whole("seq_length", default=2048),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "architectures": ["BloomForCausalLM"],
            "hidden_size": config.dim,
            "n_layer": config.num_layers,
            "n_head": config.num_heads,
            "layer_norm_epsilon": config.norm_eps,
            "hidden_dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "initializer_range": config.init_std,
            "apply_residual_connection_post_layernorm": False,
            "seq_length": config.max_seq_len,
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        theirs, attention = "transformer.h.N", f"{BLOCK}.attention"
        fused = [f"{attention}.{part}" for part in ("query", "key", "value")]
        return [
            *weight("transformer.word_embeddings", "embedding"),
            *both("transformer.word_embeddings_layernorm", "decoder.embedding_norm"),
            *both("transformer.ln_f", "decoder.norm"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *both(f"{theirs}.input_layernorm", f"{BLOCK}.residual.norms.0"),
            *both(f"{theirs}.post_attention_layernorm", f"{BLOCK}.residual.norms.1"),
            *both(f"{theirs}.self_attention.query_key_value", *fused, change=HEAD_BY_HEAD),
            *both(f"{theirs}.self_attention.dense", f"{attention}.output"),
            *both(f"{theirs}.mlp.dense_h_to_4h", f"{BLOCK}.feed_forward.up"),
            *both(f"{theirs}.mlp.dense_4h_to_h", f"{BLOCK}.feed_forward.down"),
        ]
