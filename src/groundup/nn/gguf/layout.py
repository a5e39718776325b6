"""How GGUF files of the architectures `llama` and `qwen3` name settings and tensors."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.base import Format, Row, both, weight
from groundup.nn.formats.changes import NEIGHBOURS_OF_HALVES, SAME, Change
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


class GgufDecoder(Format):
    """A pre-norm decoder with RMS norm, rotary positions and SwiGLU.

    What GGUF does not say in its metadata, which tensors there are says: `vocab_size`, a head of its own, biases.
    """

    settings_file = "its metadata"
    scalings: ClassVar[Mapping[str, tuple[Any, ...]]] = {"rope_scaling": ("none", "linear", "ntk")}
    free = (ROPE_KEYS - {"rope_scaling", "rope_original_len"}) | {"norm_eps", "tie_embeddings"}
    rules = (DIVIDES,)

    def settings(self, given: Given) -> dict[str, Any]:
        heads, dim = given.whole(f"{self.model_type}.attention.head_count"), given.whole(f"{self.model_type}.embedding_length")
        head_dim = given.whole(f"{self.model_type}.attention.key_length", default=max(dim // heads, 1))
        given.only(
            **{
                f"{self.model_type}.attention.value_length": head_dim,
                f"{self.model_type}.rope.dimension_count": head_dim,
                f"{self.model_type}.expert_count": 0,
            }
        )
        scaling = given.choice(f"{self.model_type}.rope.scaling.type", SCALINGS, default="none")
        return {
            "rope_theta": given.number(f"{self.model_type}.rope.freq_base", default=10_000.0),
            "rope_scaling": scaling,
            **({"rope_factor": given.number(f"{self.model_type}.rope.scaling.factor")} if scaling == "linear" else {}),
            "norm_eps": given.number(f"{self.model_type}.attention.layer_norm_rms_epsilon"),
            "tie_embeddings": not given.flag("output.weight", default=False),
            "vocab_size": given.whole(f"{self.model_type}.vocab_size"),
            "dim": dim,
            "num_layers": given.whole(f"{self.model_type}.block_count"),
            "num_heads": heads,
            "num_kv_heads": given.whole(f"{self.model_type}.attention.head_count_kv", default=heads),
            "head_dim": head_dim,
            "ffn_dim": given.whole(f"{self.model_type}.feed_forward_length"),
            "max_seq_len": given.whole(f"{self.model_type}.context_length"),
            **self.own_settings(given),
        }

    def keys(self, config: ModelConfig) -> dict[str, Any]:
        theta, scaled = rope_base(config), config.rope_scaling == "linear"
        return {
            f"{self.model_type}.block_count": config.num_layers,
            f"{self.model_type}.context_length": config.max_seq_len,
            f"{self.model_type}.embedding_length": config.dim,
            f"{self.model_type}.feed_forward_length": config.ffn_dim,
            f"{self.model_type}.vocab_size": config.vocab_size,
            f"{self.model_type}.attention.head_count": config.num_heads,
            f"{self.model_type}.attention.head_count_kv": config.num_kv_heads,
            f"{self.model_type}.attention.key_length": config.head_dim,
            f"{self.model_type}.attention.value_length": config.head_dim,
            f"{self.model_type}.attention.layer_norm_rms_epsilon": config.norm_eps,
            f"{self.model_type}.rope.dimension_count": config.head_dim,
            f"{self.model_type}.rope.freq_base": theta,
            **(
                {f"{self.model_type}.rope.scaling.type": "linear", f"{self.model_type}.rope.scaling.factor": config.rope_factor}
                if scaled
                else {}
            ),
        }

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        turned = self.turned(config)
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
            *self.own_rows(),
        ]

    @abstractmethod
    def own_settings(self, given: Given) -> dict[str, Any]:
        """Return the settings that the architecture itself implies, or that only it has."""

    @abstractmethod
    def turned(self, config: ModelConfig) -> Change:
        """Return how queries and keys are put in the order in which the architecture turns them."""

    def own_rows(self) -> Iterable[Row]:
        """Return the rows that only this architecture has."""
        return ()


@final
class GgufLlama(GgufDecoder):
    """Dims turn with their neighbours: queries and keys that turn by halves are put in that order."""

    model_type = "llama"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {**GgufDecoder.scalings, "rope_pairs": ("halves", "neighbours")}
    free = GgufDecoder.free | {"bias"}

    def own_settings(self, given: Given) -> dict[str, Any]:
        return {"rope_pairs": "neighbours", "bias": given.flag("blk.0.ffn_down.bias", default=False)}

    def turned(self, config: ModelConfig) -> Change:
        return SAME if config.rope_pairs == "neighbours" else NEIGHBOURS_OF_HALVES


@final
class GgufQwen3(GgufDecoder):
    """The halves of a head turn together; each head's queries and keys are normalised before."""

    model_type = "qwen3"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {**GgufDecoder.scalings, "qk_norm": (True,)}

    def own_settings(self, given: Given) -> dict[str, Any]:
        return {"qk_norm": True}

    def turned(self, config: ModelConfig) -> Change:
        return SAME

    def own_rows(self) -> Iterable[Row]:
        attention = f"{BLOCK}.attention"
        return [
            *weight("blk.N.attn_q_norm", f"{attention}.query_norm"),
            *weight("blk.N.attn_k_norm", f"{attention}.key_norm"),
        ]


LAYOUTS: Final[dict[str, Format]] = {"llama": GgufLlama(), "qwen3": GgufQwen3()}
"""general.architecture -> the layout."""
