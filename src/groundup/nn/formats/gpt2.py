"""GPT-2 (Radford et al. 2019)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.activations import PLAIN, name_of
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, both, weight
from groundup.nn.formats.changes import SIDE_BY_SIDE, TRANSPOSED
from groundup.nn.formats.given import Given

BLOCK = "decoder.blocks.N"


@final
class Gpt2(Format):
    """A pre-norm decoder with learned positions; matrices are transposed, queries, keys and values lie in one."""

    model_type = "gpt2"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "norm": ("layer",),
        "position": ("learned",),
        "feed_forward": tuple(dict.fromkeys(PLAIN.values())),
        "bias": (True,),
    }
    free = frozenset({"norm_eps", "tie_embeddings"})
    rules = (SQUARE, WHOLE_HEADS)
    prefix = "transformer."
    ignored = (r"\.attn\.(masked_)?bias$",)
    copies: ClassVar[Mapping[str, str]] = {"lm_head.weight": "transformer.wte.weight"}

    def settings(self, given: Given) -> dict[str, Any]:
        given.only(
            scale_attn_weights=True,
            scale_attn_by_inverse_layer_idx=False,
            add_cross_attention=False,
        )
        dim, heads = given.whole("n_embd", "hidden_size"), given.whole("n_head", "num_attention_heads")
        return {
            "norm": "layer",
            "norm_eps": given.number("layer_norm_epsilon", default=1e-5),
            "position": "learned",
            "feed_forward": given.choice("activation_function", PLAIN, default="gelu_new"),
            "bias": True,
            "dropout": given.number("resid_pdrop", default=0.1),
            "attention_dropout": given.number("attn_pdrop", default=0.1),
            "tie_embeddings": given.flag("tie_word_embeddings", default=True),
            "init_std": given.number("initializer_range", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": dim,
            "num_layers": given.whole("n_layer", "num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": given.whole("n_inner", default=4 * dim),
            "max_seq_len": given.whole("n_positions", "n_ctx", "max_position_embeddings"),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "architectures": ["GPT2LMHeadModel"],
            "n_embd": config.dim,
            "n_layer": config.num_layers,
            "n_head": config.num_heads,
            "n_inner": config.ffn_dim,
            "n_positions": config.max_seq_len,
            "n_ctx": config.max_seq_len,
            "activation_function": name_of(config.feed_forward, PLAIN),
            "layer_norm_epsilon": config.norm_eps,
            "embd_pdrop": config.dropout,
            "resid_pdrop": config.dropout,
            "attn_pdrop": config.attention_dropout,
            "initializer_range": config.init_std,
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        attention = f"{BLOCK}.attention"
        return [
            *weight("transformer.wte", "embedding"),
            *weight("transformer.wpe", "decoder.position.table"),
            *both("transformer.ln_f", "decoder.norm"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *both("transformer.h.N.ln_1", f"{BLOCK}.residual.norms.0"),
            *both("transformer.h.N.ln_2", f"{BLOCK}.residual.norms.1"),
            *both(
                "transformer.h.N.attn.c_attn",
                *(f"{attention}.{part}" for part in ("query", "key", "value")),
                change=SIDE_BY_SIDE,
            ),
            *both("transformer.h.N.attn.c_proj", f"{attention}.output", change=TRANSPOSED),
            *both("transformer.h.N.mlp.c_fc", f"{BLOCK}.feed_forward.up", change=TRANSPOSED),
            *both("transformer.h.N.mlp.c_proj", f"{BLOCK}.feed_forward.down", change=TRANSPOSED),
        ]
