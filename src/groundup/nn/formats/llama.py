"""Llama (Touvron et al. 2023); Mistral (Jiang et al. 2023) with its window; Qwen3 (Yang et al. 2025), whose heads have norms."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.activations import GATED, name_of
from groundup.nn.formats.base import Format, Row, Rule, both, weight
from groundup.nn.formats.changes import HALVES_OF_NEIGHBOURS, SAME
from groundup.nn.formats.given import Given
from groundup.nn.formats.rotary import ROPE_KEYS, read_rotary, write_rotary

BLOCK = "decoder.blocks.N"
MODULES = {
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.o_proj": "attention.output",
    "mlp.gate_proj": "feed_forward.gate",
    "mlp.up_proj": "feed_forward.up",
    "mlp.down_proj": "feed_forward.down",
}
"""Products of one block, theirs -> ours."""
TURNED = ("attention.query", "attention.key")
DIVIDES = Rule(lambda config: config.dim % config.num_heads == 0, "dim a multiple of num_heads")


class LlamaLike(Format):
    """A pre-norm decoder with RMS norm, rotary positions and a gated feed-forward layer; heads may share keys and values.

    Dims that turn with their neighbours are written in the order of the layout, in which the halves of a head turn together.
    """

    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "feed_forward": tuple(dict.fromkeys(GATED.values())),
        "rope_pairs": ("halves", "neighbours"),
    }
    free = ROPE_KEYS | {"norm_eps", "tie_embeddings"}
    rules = (DIVIDES,)
    prefix = "model."
    ignored = (r"rotary_emb\.inv_freq$",)
    copies: ClassVar[Mapping[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}

    @final
    def settings(self, given: Given) -> dict[str, Any]:
        given.only(partial_rotary_factor=1.0)
        given.section("rope_parameters").only(partial_rotary_factor=1.0)
        heads = given.whole("num_attention_heads")
        return {
            **read_rotary(given),
            "norm_eps": given.number("rms_norm_eps", default=1e-6),
            "feed_forward": given.choice("hidden_act", GATED, default="silu"),
            "attention_dropout": given.number("attention_dropout", default=0.0),
            "tie_embeddings": given.flag("tie_word_embeddings", default=False),
            "init_std": given.number("initializer_range", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": given.whole("hidden_size"),
            "num_layers": given.whole("num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": given.whole("num_key_value_heads", default=heads),
            **({"head_dim": given.whole("head_dim")} if given.has("head_dim") else {}),
            "ffn_dim": given.whole("intermediate_size"),
            "max_seq_len": given.whole("max_position_embeddings", default=2048),
            **self.own_settings(given),
        }

    @final
    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "hidden_size": config.dim,
            "intermediate_size": config.ffn_dim,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "num_key_value_heads": config.num_kv_heads,
            "head_dim": config.head_dim,
            "max_position_embeddings": config.max_seq_len,
            "hidden_act": name_of(config.feed_forward, GATED),
            "rms_norm_eps": config.norm_eps,
            **write_rotary(config),
            "attention_dropout": config.attention_dropout,
            "initializer_range": config.init_std,
            **self.own_keys(config),
        }

    @final
    def rows(self, config: ModelConfig) -> Iterable[Row]:
        turned = HALVES_OF_NEIGHBOURS if config.rope_pairs == "neighbours" else SAME
        products = [
            row
            for theirs, ours in MODULES.items()
            for row in both(
                f"model.layers.N.{theirs}",
                f"{BLOCK}.{ours}",
                change=turned if ours in TURNED else SAME,
                bias=config.bias,
            )
        ]
        return [
            *weight("model.embed_tokens", "embedding"),
            *weight("model.norm", "decoder.norm"),
            *([] if config.tie_embeddings else weight("lm_head", "head.output")),
            *weight("model.layers.N.input_layernorm", f"{BLOCK}.residual.norms.0"),
            *weight("model.layers.N.post_attention_layernorm", f"{BLOCK}.residual.norms.1"),
            *products,
            *self.own_rows(),
        ]

    def own_rows(self) -> Iterable[Row]:
        """Return the rows that only this family has."""
        return ()

    @abstractmethod
    def own_settings(self, given: Given) -> dict[str, Any]:
        """Return the settings that only this family has keys for."""

    @abstractmethod
    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        """Return the keys that only this family has."""


@final
class Llama(LlamaLike):
    """Attention to all; biases everywhere or nowhere."""

    model_type = "llama"
    free = LlamaLike.free | {"bias"}

    def own_settings(self, given: Given) -> dict[str, Any]:
        given.same("attention_bias", "mlp_bias", default=False)
        return {"bias": given.flag("attention_bias", default=False)}

    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        return {"architectures": ["LlamaForCausalLM"], "attention_bias": config.bias, "mlp_bias": config.bias}


@final
class Mistral(LlamaLike):
    """Attention to the last tokens, as many as `sliding_window`, itself among them."""

    model_type = "mistral"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {**LlamaLike.fixed, "attention": ("full", "sliding_window")}
    free = LlamaLike.free | {"window"}

    def own_settings(self, given: Given) -> dict[str, Any]:
        length = given.whole("max_position_embeddings", default=131_072)
        window = given.whole("sliding_window", default=length)
        hides = {"attention": "sliding_window", "window": window} if window < length else {}
        return {"max_seq_len": length, **hides}

    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        return {"architectures": ["MistralForCausalLM"], "sliding_window": config.window}


@final
class Qwen3(LlamaLike):
    """Attention to all; each head's queries and keys are normalised before they turn."""

    model_type = "qwen3"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "feed_forward": LlamaLike.fixed["feed_forward"],
        "qk_norm": (True,),
    }

    def own_settings(self, given: Given) -> dict[str, Any]:
        given.only(attention_bias=False, use_sliding_window=False)
        return {"qk_norm": True}

    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        return {"architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "use_sliding_window": False}

    def own_rows(self) -> Iterable[Row]:
        attention = f"{BLOCK}.attention"
        return [
            *weight("model.layers.N.self_attn.q_norm", f"{attention}.query_norm"),
            *weight("model.layers.N.self_attn.k_norm", f"{attention}.key_norm"),
        ]
