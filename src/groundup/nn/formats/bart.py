"""BART (Lewis et al. 2020)."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.activations import PLAIN, name_of
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, both, weight
from groundup.nn.formats.changes import AFTER_EXTRA_POSITIONS
from groundup.nn.formats.given import Given

NORMS = {
    "encoder": ("self_attn_layer_norm", "final_layer_norm"),
    "decoder": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
}
"""Norms of a block, in the order of its parts."""
ATTENTIONS = {"encoder": {"self_attn": "attention"}, "decoder": {"self_attn": "attention", "encoder_attn": "cross_attention"}}


@final
class Bart(Format):
    """A post-norm encoder-decoder with learned positions and normalised embeddings; both stacks have heads and widths in common."""

    model_type = "bart"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "shape": ("encoder_decoder",),
        "norm": ("layer",),
        "norm_eps": (1e-5,),
        "residual": ("post",),
        "embedding_norm": (True,),
        "position": ("learned",),
        "feed_forward": tuple(dict.fromkeys(PLAIN.values())),
        "bias": (True,),
    }
    free = frozenset({"embedding_scale"})
    rules = (SQUARE, WHOLE_HEADS)
    prefix = "model."
    head_names = ("lm_head.", "final_logits_bias")
    ignored = (r"^model\.(en|de)coder\.version$",)
    zeros = ("final_logits_bias",)
    copies: ClassVar[Mapping[str, str]] = {
        "model.encoder.embed_tokens.weight": "model.shared.weight",
        "model.decoder.embed_tokens.weight": "model.shared.weight",
        "lm_head.weight": "model.shared.weight",
    }

    def settings(self, given: Given) -> dict[str, Any]:
        given.only(is_encoder_decoder=True, is_decoder=False, tie_word_embeddings=True)
        given.only(normalize_before=False, add_final_layer_norm=False, normalize_embedding=True, static_position_embeddings=False)
        given.same("encoder_attention_heads", "decoder_attention_heads")
        given.same("encoder_ffn_dim", "decoder_ffn_dim")
        heads = given.whole("encoder_attention_heads")
        return {
            "shape": "encoder_decoder",
            "norm": "layer",
            "norm_eps": 1e-5,
            "residual": "post",
            "embedding_norm": True,
            "embedding_scale": given.flag("scale_embedding", default=False),
            "position": "learned",
            "feed_forward": given.choice("activation_function", PLAIN, default="gelu"),
            "bias": True,
            "dropout": given.number("dropout", default=0.1),
            "attention_dropout": given.number("attention_dropout", default=0.0),
            "init_std": given.number("init_std", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": given.whole("d_model"),
            "num_layers": given.whole("decoder_layers"),
            "num_encoder_layers": given.whole("encoder_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": given.whole("encoder_ffn_dim"),
            "max_seq_len": given.whole("max_position_embeddings"),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        return {
            "architectures": ["BartForConditionalGeneration"],
            "is_encoder_decoder": True,
            "d_model": config.dim,
            "encoder_layers": config.num_encoder_layers,
            "decoder_layers": config.num_layers,
            "encoder_attention_heads": config.num_heads,
            "decoder_attention_heads": config.num_heads,
            "encoder_ffn_dim": config.ffn_dim,
            "decoder_ffn_dim": config.ffn_dim,
            "max_position_embeddings": config.max_seq_len,
            "activation_function": name_of(config.feed_forward, PLAIN),
            "scale_embedding": config.embedding_scale,
            "dropout": config.dropout,
            "attention_dropout": config.attention_dropout,
            "activation_dropout": 0.0,
            "init_std": config.init_std,
            "forced_eos_token_id": None,
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        return [*weight("model.shared", "embedding"), *_stack("encoder"), *_stack("decoder")]


def _stack(stack: str) -> Iterable[Row]:
    theirs, ours = f"model.{stack}.layers.N", f"{stack}.blocks.N"
    yield from weight(f"model.{stack}.embed_positions", f"{stack}.position.table", change=AFTER_EXTRA_POSITIONS)
    yield from both(f"model.{stack}.layernorm_embedding", f"{stack}.embedding_norm")
    for name, attention in ATTENTIONS[stack].items():
        for short, long in {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "output"}.items():
            yield from both(f"{theirs}.{name}.{short}", f"{ours}.{attention}.{long}")
    yield from both(f"{theirs}.fc1", f"{ours}.feed_forward.up")
    yield from both(f"{theirs}.fc2", f"{ours}.feed_forward.down")
    for number, norm in enumerate(NORMS[stack]):
        yield from both(f"{theirs}.{norm}", f"{ours}.residual.norms.{number}")
