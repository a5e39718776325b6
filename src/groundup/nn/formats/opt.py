"""OPT (Zhang et al. 2022)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.activations import PLAIN, name_of
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, both, weight
from groundup.nn.formats.changes import AFTER_EXTRA_POSITIONS
from groundup.nn.formats.given import Given

BLOCK = "decoder.blocks.N"


@final
class Opt(Format):
    """A pre-norm decoder with learned positions. OPT-350M, post-norm with narrow embeddings, is not among ours."""

    model_type = "opt"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "norm": ("layer",),
        "norm_eps": (1e-5,),
        "position": ("learned",),
        "feed_forward": tuple(dict.fromkeys(PLAIN.values())),
        "bias": (True,),
    }
    free = frozenset({"tie_embeddings"})
    rules = (SQUARE, WHOLE_HEADS)
    prefix = "model."
    copies: ClassVar[Mapping[str, str]] = {"lm_head.weight": "model.decoder.embed_tokens.weight"}

    def settings(self, given: Given) -> dict[str, Any]:
        dim, heads = given.whole("hidden_size"), given.whole("num_attention_heads")
        given.only(
            do_layer_norm_before=True,
            _remove_final_layer_norm=False,
            word_embed_proj_dim=dim,
            enable_bias=True,
            layer_norm_elementwise_affine=True,
        )
        return {
            "norm": "layer",
            "norm_eps": 1e-5,
            "position": "learned",
            "feed_forward": given.choice("activation_function", PLAIN, default="relu"),
            "bias": True,
            "dropout": given.number("dropout", default=0.1),
            "attention_dropout": given.number("attention_dropout", default=0.0),
            "tie_embeddings": given.flag("tie_word_embeddings", default=True),
            "init_std": given.number("init_std", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": dim,
            "num_layers": given.whole("num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": given.whole("ffn_dim"),
            "max_seq_len": given.whole("max_position_embeddings"),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "architectures": ["OPTForCausalLM"],
            "hidden_size": config.dim,
            "word_embed_proj_dim": config.dim,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "ffn_dim": config.ffn_dim,
            "max_position_embeddings": config.max_seq_len,
            "activation_function": name_of(config.feed_forward, PLAIN),
            "do_layer_norm_before": True,
            "enable_bias": True,
            "layer_norm_elementwise_affine": True,
            "dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "init_std": config.init_std,
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        theirs, attention = "model.decoder.layers.N", f"{BLOCK}.attention"
        return [
            *weight("model.decoder.embed_tokens", "embedding"),
            *weight("model.decoder.embed_positions", "decoder.position.table", change=AFTER_EXTRA_POSITIONS),
            *both("model.decoder.final_layer_norm", "decoder.norm"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *both(f"{theirs}.self_attn_layer_norm", f"{BLOCK}.residual.norms.0"),
            *both(f"{theirs}.final_layer_norm", f"{BLOCK}.residual.norms.1"),
            *both(f"{theirs}.self_attn.q_proj", f"{attention}.query"),
            *both(f"{theirs}.self_attn.k_proj", f"{attention}.key"),
            *both(f"{theirs}.self_attn.v_proj", f"{attention}.value"),
            *both(f"{theirs}.self_attn.out_proj", f"{attention}.output"),
            *both(f"{theirs}.fc1", f"{BLOCK}.feed_forward.up"),
            *both(f"{theirs}.fc2", f"{BLOCK}.feed_forward.down"),
        ]
