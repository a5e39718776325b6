"""GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.activations import PLAIN, name_of
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, Rule, both, weight
from groundup.nn.formats.changes import HEAD_BY_HEAD
from groundup.nn.formats.given import Given
from groundup.nn.formats.rotary import ROPE_KEYS, read_rotary, write_rotary

BLOCK = "decoder.blocks.N"
EVEN_TURN = Rule(lambda config: int(config.head_dim * config.rope_fraction) % 2 == 0, "head_dim * rope_fraction even")


@final
class GptNeoX(Format):
    """A decoder whose attention and feed-forward read the stream side by side; the first part of each head turns."""

    model_type = "gpt_neox"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "norm": ("layer",),
        "residual": ("parallel", "pre"),
        "feed_forward": tuple(dict.fromkeys(PLAIN.values())),
        "bias": (True,),
    }
    free = ROPE_KEYS | {"norm_eps", "rope_fraction", "tie_embeddings"}
    rules = (SQUARE, WHOLE_HEADS, EVEN_TURN)
    prefix = "gpt_neox."
    head_names = ("lm_head.", "embed_out.")
    old_names = ((r"^embed_out\.", "lm_head."),)
    ignored = (r"\.attention\.(masked_)?bias$", r"rotary_emb\.inv_freq$")
    copies: ClassVar[Mapping[str, str]] = {"lm_head.weight": "gpt_neox.embed_in.weight"}

    def settings(self, given: Given) -> dict[str, Any]:
        given.only(attention_bias=True)
        heads = given.whole("num_attention_heads")
        rope = given.section("rope_parameters", "rope_scaling")
        return {
            **read_rotary(given, theta_key="rotary_emb_base"),
            "rope_fraction": rope.number("partial_rotary_factor", default=given.number("rotary_pct", default=0.25)),
            "norm": "layer",
            "norm_eps": given.number("layer_norm_eps", default=1e-5),
            "residual": "parallel" if given.flag("use_parallel_residual", default=True) else "pre",
            "feed_forward": given.choice("hidden_act", PLAIN, default="gelu"),
            "bias": True,
            "dropout": given.number("hidden_dropout", default=0.0),
            "attention_dropout": given.number("attention_dropout", default=0.0),
            "tie_embeddings": given.flag("tie_word_embeddings", default=False),
            "init_std": given.number("initializer_range", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": given.whole("hidden_size"),
            "num_layers": given.whole("num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": given.whole("intermediate_size"),
            "max_seq_len": given.whole("max_position_embeddings", default=2048),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        rotary = write_rotary(config, partial_rotary_factor=config.rope_fraction)
        return {
            "architectures": ["GPTNeoXForCausalLM"],
            "hidden_size": config.dim,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "intermediate_size": config.ffn_dim,
            "max_position_embeddings": config.max_seq_len,
            "hidden_act": name_of(config.feed_forward, PLAIN),
            "layer_norm_eps": config.norm_eps,
            "use_parallel_residual": config.residual == "parallel",
            "attention_bias": True,
            "hidden_dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "initializer_range": config.init_std,
            **rotary,
            "rotary_pct": config.rope_fraction,
            "rotary_emb_base": rotary["rope_theta"],
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        theirs, attention = "gpt_neox.layers.N", f"{BLOCK}.attention"
        fused = [f"{attention}.{part}" for part in ("query", "key", "value")]
        return [
            *weight("gpt_neox.embed_in", "embedding"),
            *both("gpt_neox.final_layer_norm", "decoder.norm"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *both(f"{theirs}.input_layernorm", f"{BLOCK}.residual.norms.0"),
            *both(f"{theirs}.post_attention_layernorm", f"{BLOCK}.residual.norms.1"),
            *both(f"{theirs}.attention.query_key_value", *fused, change=HEAD_BY_HEAD),
            *both(f"{theirs}.attention.dense", f"{attention}.output"),
            *both(f"{theirs}.mlp.dense_h_to_4h", f"{BLOCK}.feed_forward.up"),
            *both(f"{theirs}.mlp.dense_4h_to_h", f"{BLOCK}.feed_forward.down"),
        ]
