"""How GGUF files of the architecture `llama` name settings and tensors."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.base import Format, Row, both, weight
from groundup.nn.formats.changes import NEIGHBOURS_OF_HALVES, SAME
from groundup.nn.formats.given import Given
from groundup.nn.formats.llama import DIVIDES
from groundup.nn.formats.rotary import ROPE_KEYS, rope_base

BLOCK: Final = "decoder.blocks.N"
MODULES: Final = {
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_output": "attention.output",
    "ffn_gate": "feed_forward.gate",
    "ffn_up": "feed_forward.up",
    "ffn_down": "feed_forward.down",
}
"""Products of one block, theirs -> ours."""
TURNED: Final = ("attention.query", "attention.key")
SCALINGS: Final = {"none": "none", "linear": "linear"}
"""Their scaling of the rotary frequencies -> ours. 'ntk' is a larger base, and is written so."""


@final
class GgufLlama(Format):
    """The llama architecture, in which dims turn with their neighbours: queries and keys that turn by halves are put in that order.

    What GGUF does not say in its metadata, which tensors there are says: `vocab_size`, a head of its own, biases.
    """

    model_type = "llama"
    settings_file = "its metadata"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "rope_pairs": ("halves", "neighbours"),
        "rope_scaling": ("none", "linear", "ntk"),
    }
    free = (ROPE_KEYS - {"rope_scaling", "rope_original_len"}) | {"norm_eps", "tie_embeddings", "bias"}
    rules = (DIVIDES,)

    def settings(self, given: Given) -> dict[str, Any]:
        heads, dim = given.whole("llama.attention.head_count"), given.whole("llama.embedding_length")
        head_dim = given.whole("llama.attention.key_length", default=max(dim // heads, 1))
        given.only(**{"llama.attention.value_length": head_dim, "llama.rope.dimension_count": head_dim, "llama.expert_count": 0})
        scaling = given.choice("llama.rope.scaling.type", SCALINGS, default="none")
        return {
            "rope_pairs": "neighbours",
            "rope_theta": given.number("llama.rope.freq_base", default=10_000.0),
            "rope_scaling": scaling,
            **({"rope_factor": given.number("llama.rope.scaling.factor")} if scaling == "linear" else {}),
            "norm_eps": given.number("llama.attention.layer_norm_rms_epsilon"),
            "tie_embeddings": not given.flag("output.weight", default=False),
            "bias": given.flag("blk.0.ffn_down.bias", default=False),
            "vocab_size": given.whole("llama.vocab_size"),
            "dim": dim,
            "num_layers": given.whole("llama.block_count"),
            "num_heads": heads,
            "num_kv_heads": given.whole("llama.attention.head_count_kv", default=heads),
            "head_dim": head_dim,
            "ffn_dim": given.whole("llama.feed_forward_length"),
            "max_seq_len": given.whole("llama.context_length"),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        theta, scaled = rope_base(config), config.rope_scaling == "linear"
        return {
            "llama.block_count": config.num_layers,
            "llama.context_length": config.max_seq_len,
            "llama.embedding_length": config.dim,
            "llama.feed_forward_length": config.ffn_dim,
            "llama.vocab_size": config.vocab_size,
            "llama.attention.head_count": config.num_heads,
            "llama.attention.head_count_kv": config.num_kv_heads,
            "llama.attention.key_length": config.head_dim,
            "llama.attention.value_length": config.head_dim,
            "llama.attention.layer_norm_rms_epsilon": config.norm_eps,
            "llama.rope.dimension_count": config.head_dim,
            "llama.rope.freq_base": theta,
            **({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": config.rope_factor} if scaled else {}),
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        turned = SAME if config.rope_pairs == "neighbours" else NEIGHBOURS_OF_HALVES
        products = [
            row
            for theirs, ours in MODULES.items()
            for row in both(f"blk.N.{theirs}", f"{BLOCK}.{ours}", change=turned if ours in TURNED else SAME, bias=config.bias)
        ]
        return [
            *weight("token_embd", "embedding"),
            *weight("output_norm", "decoder.norm"),
            *([] if config.tie_embeddings else weight("output", "head.output")),
            *weight("blk.N.attn_norm", f"{BLOCK}.residual.norms.0"),
            *weight("blk.N.ffn_norm", f"{BLOCK}.residual.norms.1"),
            *products,
        ]


LAYOUTS: Final[dict[str, Format]] = {"llama": GgufLlama()}
"""general.architecture -> the layout."""
