"""The architecture of a model, as settings."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config

ShapeName = Literal["decoder", "prefix_decoder", "encoder", "encoder_decoder"]
NormName = Literal["rms", "layer", "layer_no_bias", "rms_plain"]
ResidualName = Literal["pre", "post", "sandwich", "parallel", "parallel_shared", "deepnorm"]
PositionName = Literal["rope", "learned", "sinusoidal", "t5_bias", "alibi", "transformer_xl", "none"]
RopeScalingName = Literal["none", "linear", "ntk", "yarn", "llama3"]
AttentionName = Literal["full", "sliding_window", "sparse_strided", "sparse_fixed", "big_bird", "performer"]
FeedForwardName = Literal["swiglu", "geglu", "geglu_tanh", "reglu", "gelu", "gelu_tanh", "relu", "relu_squared", "silu"]
InitName = Literal["gpt2", "small", "t5", "deepnorm", "mup"]
FamilyName = Literal["llama", "mistral", "qwen3", "gpt2", "bloom", "gpt_neox", "opt", "bert", "roberta", "roformer", "t5", "bart"]
"""Families of models of Hugging Face, as config.json calls them."""
GgufTypeName = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
AttentionKernel = Literal["auto", "sdpa", "matmul"]
PoolingName = Literal["mean", "first", "last", "first_tanh", "each"]
WeightPrecision = Literal["fp32", "bf16"]

GATED = ("swiglu", "geglu", "geglu_tanh", "reglu")
"""Feed-forward layers of three matrices; the others have two."""


class ArchitectureConfig(Config):
    """Every choice of the architecture but its sizes."""

    shape: ShapeName = Field(
        default="decoder",
        description="decoder: causal; prefix_decoder: causal after a prefix that sees itself whole; encoder: both ways; "
        "encoder_decoder: a decoder that also reads an encoder's result",
    )
    norm: NormName = Field(default="rms", description="normalisation of the residual stream")
    norm_eps: float = Field(default=1e-5, gt=0, description="added to the variance or mean square")
    residual: ResidualName = Field(default="pre", description="where the norms stand and how a block's parts are added up")
    embedding_norm: bool = Field(default=False, description="normalise the embeddings before the first block (BLOOM, BERT)")
    embedding_scale: bool = Field(default=False, description="multiply the token embeddings by sqrt(dim) (Vaswani et al. 2017)")
    segments: int = Field(default=0, ge=0, le=1024, description="kinds of segments with an embedding of their own (BERT: 2)")
    position: PositionName = Field(
        default="rope", description="how attention knows where a token stands; none: from the causal mask alone"
    )
    rope_theta: float = Field(default=10_000.0, gt=0, description="base of the rotary frequencies (RoFormer, section 3.2)")
    rope_pairs: Literal["halves", "neighbours"] = Field(
        default="halves",
        description="which dims turn together: i with i + d/2 (Llama of Hugging Face), or 2i with 2i + 1 (RoFormer)",
    )
    rope_fraction: float = Field(default=1.0, gt=0, le=1, description="share of a head's dims that turn (GPT-NeoX: 0.25)")
    rope_scaling: RopeScalingName = Field(default="none", description="how the frequencies are stretched for longer text")
    rope_factor: float = Field(default=1.0, ge=1, description="how many times longer than rope_original_len the text may be")
    rope_original_len: int | None = Field(default=None, gt=0, description="length that the frequencies were trained for [tokens]")
    t5_buckets: int = Field(default=32, ge=4, description="distances that the T5 bias tells apart")
    t5_max_distance: int = Field(default=128, gt=1, description="distance from which all fall into the last bucket [tokens]")
    attention: AttentionName = Field(
        default="full",
        description="which tokens a token looks at, and how that is computed; a decoder looks at all of its source in any case",
    )
    window: int | None = Field(default=None, gt=0, description="tokens that sliding_window sees on a side, itself included")
    sparse_block: int = Field(default=64, gt=0, description="block, or stride, of the sparse patterns [tokens]")
    sparse_summary: int = Field(default=8, gt=0, description="last tokens of each block that all later ones see in sparse_fixed")
    sparse_global: int = Field(default=1, ge=0, description="first blocks that see and are seen by all in big_bird")
    sparse_random: int = Field(default=2, ge=0, description="blocks drawn at random for each block in big_bird")
    performer_features: int = Field(default=256, gt=0, description="random features of performer for each head")
    scale_scores: bool = Field(default=True, description="divide attention scores by sqrt(head_dim) (T5 does not)")
    qk_norm: bool = Field(default=False, description="normalise each head's queries and keys (Henry et al. 2020)")
    attention_soft_cap: float | None = Field(default=None, gt=0, description="bound c of scores: c tanh(score / c); null: none")
    logit_soft_cap: float | None = Field(default=None, gt=0, description="bound c of logits: c tanh(logit / c); null: none")
    feed_forward: FeedForwardName = Field(default="swiglu", description="what each token does by itself in a block")
    bias: bool = Field(default=False, description="biases in the projections of attention and feed-forward")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of embeddings and of each part's result dropped in training")
    attention_dropout: float = Field(default=0.0, ge=0, lt=1, description="share of attention weights dropped in training")
    tie_embeddings: bool = Field(default=True, description="use the input embedding as output head")
    head_bias: bool = Field(default=False, description="a bias for each token's logit")
    head_transform: bool = Field(default=False, description="a dense layer, GELU and norm before the head (BERT's masked LM head)")
    head_scale: bool = Field(default=False, description="divide the vectors before the head by sqrt(dim) (T5 with tied embeddings)")
    init: InitName = Field(default="gpt2", description="how the first weights are drawn")
    init_std: float = Field(default=0.02, gt=0, description="standard deviation of the first weights, where init uses one")
    mup_base_dim: int = Field(default=256, gt=0, description="width at which init=mup is the plain scheme")

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        for key, owner, names in _ONLY_WITH:
            chosen, default = getattr(self, key), ArchitectureConfig.model_fields[key].default
            if chosen != default and getattr(self, owner) not in names:
                raise ValueError(
                    f"{key}={chosen} has no effect with {owner}='{getattr(self, owner)}'; it belongs to {owner}="
                    f"{' or '.join(repr(name) for name in names)}: set that, or leave {key} out"
                )
        _check_rope(self)
        _check_t5(self)
        _check_attention(self)
        _check_transformer_xl(self)
        _check_shape(self)
        return self


_ROPE = ("rope",)
SPARSE = ("sparse_strided", "sparse_fixed", "big_bird")
"""Kinds of attention whose patterns are made of blocks."""
_ONLY_WITH: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("rope_theta", "position", _ROPE),
    ("rope_pairs", "position", _ROPE),
    ("rope_fraction", "position", _ROPE),
    ("rope_scaling", "position", _ROPE),
    ("rope_factor", "rope_scaling", ("linear", "ntk", "yarn", "llama3")),
    ("rope_original_len", "rope_scaling", ("yarn", "llama3")),
    ("t5_buckets", "position", ("t5_bias",)),
    ("t5_max_distance", "position", ("t5_bias",)),
    ("window", "attention", ("sliding_window",)),
    ("sparse_block", "attention", SPARSE),
    ("sparse_summary", "attention", ("sparse_fixed",)),
    ("sparse_global", "attention", ("big_bird",)),
    ("sparse_random", "attention", ("big_bird",)),
    ("performer_features", "attention", ("performer",)),
    ("mup_base_dim", "init", ("mup",)),
)
"""(key, key that decides, its values with which the first has an effect)."""


def _check_rope(config: ArchitectureConfig) -> None:
    if config.rope_scaling != "none" and config.rope_factor == 1:
        raise ValueError(f"rope_scaling='{config.rope_scaling}' with rope_factor=1 stretches nothing; set rope_factor above 1")
    if config.rope_scaling in ("yarn", "llama3") and config.rope_original_len is None:
        raise ValueError(f"rope_scaling='{config.rope_scaling}' needs rope_original_len, the length before the stretching")


def _check_t5(config: ArchitectureConfig) -> None:
    if config.position != "t5_bias":
        return
    both_ways = config.shape in ("encoder", "encoder_decoder")
    if both_ways and config.t5_buckets % 2:
        raise ValueError(f"t5_buckets={config.t5_buckets} is odd, but an encoder has as many for either side; make it even")
    exact = config.t5_buckets // (4 if config.shape == "encoder" else 2)
    if config.t5_max_distance <= exact:
        raise ValueError(
            f"t5_max_distance={config.t5_max_distance} leaves nothing to the buckets of several distances: {exact} of "
            f"t5_buckets={config.t5_buckets} are of one distance each; set t5_max_distance above {exact}"
        )


def _check_attention(config: ArchitectureConfig) -> None:
    if config.attention == "sliding_window" and config.window is None:
        raise ValueError("attention='sliding_window' needs window, the tokens that are seen on a side; for example window=256")
    if config.attention == "performer":
        for key, idle in (("attention_soft_cap", None), ("attention_dropout", 0.0)):
            if getattr(config, key) != idle:
                raise ValueError(f"{key} acts on scores, which attention='performer' never makes; leave {key} out")
        if config.position in ("t5_bias", "alibi"):
            raise ValueError(
                f"position='{config.position}' is added to scores, which attention='performer' never makes; "
                "set position to rope, learned, sinusoidal or none"
            )
    if config.attention == "sparse_fixed" and config.sparse_summary > config.sparse_block:
        raise ValueError(f"sparse_summary={config.sparse_summary} is more than a block; set it to at most {config.sparse_block}")


def _check_transformer_xl(config: ArchitectureConfig) -> None:
    if config.position != "transformer_xl":
        return
    for key, idle in (("attention", "full"), ("attention_soft_cap", None)):
        if getattr(config, key) != idle:
            raise ValueError(
                f"position='transformer_xl' gives every query scores of its own for all distances, which {key}="
                f"{getattr(config, key)!r} has no place for; set {key}={idle!r}".replace("=None", "=null")
            )
    if config.shape == "encoder_decoder":
        raise ValueError(
            "position='transformer_xl' is for one stack that looks at itself; set shape to decoder or encoder, or position to "
            "t5_bias"
        )


def _check_shape(config: ArchitectureConfig) -> None:
    if config.shape == "encoder" and config.position == "none":
        raise ValueError("shape='encoder' with position='none' cannot tell the order of tokens; set position")
    if config.shape == "prefix_decoder" and config.attention == "performer":
        raise ValueError("attention='performer' has no form with a prefix; set attention='full', or shape='decoder'")
    if config.segments and config.shape == "encoder_decoder":
        raise ValueError(f"segments={config.segments} belongs to encoders and decoders alone; leave it out")
    if config.init == "deepnorm" and config.residual != "deepnorm":
        raise ValueError(
            f"init='deepnorm' shrinks weights by the beta that belongs to the alpha of residual='deepnorm', but residual="
            f"'{config.residual}'; set residual='deepnorm', or another init"
        )
    if config.residual == "deepnorm" and config.init != "deepnorm":
        raise ValueError(
            f"residual='deepnorm' weighs the stream by the alpha that belongs to the beta of init='deepnorm', but init="
            f"'{config.init}'; set init='deepnorm', or another residual"
        )


class ModelConfig(ArchitectureConfig):
    """A transformer: the architecture with all its sizes."""

    vocab_size: int = Field(gt=1, description="rows of the embedding [tokens]")
    dim: int = Field(gt=0, le=1 << 20, description="width of the residual stream")
    num_layers: int = Field(gt=0, le=10_000, description="blocks; of the decoder in an encoder_decoder")
    num_encoder_layers: int = Field(default=0, ge=0, le=10_000, description="blocks of the encoder in an encoder_decoder")
    num_heads: int = Field(gt=0, description="query heads")
    num_kv_heads: int = Field(gt=0, description="key/value heads; fewer than query heads is grouped-query attention")
    head_dim: int = Field(default=0, ge=0, le=1 << 16, description="width of a head; left out: dim / num_heads")
    ffn_dim: int = Field(gt=0, description="inner width of the feed-forward layer")
    max_seq_len: int = Field(gt=0, le=1 << 20, description="longest sequence [tokens]")

    @property
    def inner_dim(self) -> int:
        """Width of all query heads together."""
        return self.num_heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of all key, or value, heads together."""
        return self.num_kv_heads * self.head_dim

    @property
    def rotary_dims(self) -> int:
        """Dims of a head that turn; even."""
        return int(self.head_dim * self.rope_fraction) // 2 * 2

    @model_validator(mode="before")
    @classmethod
    def _fill_head_dim(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not data.get("head_dim"):
            dim, heads = data.get("dim"), data.get("num_heads")
            if isinstance(dim, int) and isinstance(heads, int) and dim > 0 and heads > 0:
                check_heads(dim, heads, None)
                return {**data, "head_dim": dim // heads}
        return data

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        check_heads(None, self.num_heads, self.num_kv_heads)
        check_pairs(self, self.head_dim)
        if self.position in ("sinusoidal", "transformer_xl") and self.dim % 2:
            raise ValueError(f"position='{self.position}' fills dims in pairs, but dim={self.dim} is odd")
        check_reach(self, self.max_seq_len, "max_seq_len")
        both = self.shape == "encoder_decoder"
        if both != bool(self.num_encoder_layers):
            way_out = "set it to at least 1" if both else "leave it out"
            raise ValueError(f"num_encoder_layers={self.num_encoder_layers} with shape='{self.shape}'; {way_out}")
        return self


def check_heads(dim: int | None, num_heads: int | None, num_kv_heads: int | None) -> None:
    """Raise ValueError if those that are said do not share evenly."""
    if dim and num_heads and dim % num_heads:
        near = _largest_divisor(dim, num_heads)
        raise ValueError(f"dim={dim} is not a multiple of num_heads={num_heads}; nearest fewer heads that fit: {near}")
    if num_heads and num_kv_heads and num_heads % num_kv_heads:
        near = _largest_divisor(num_heads, num_kv_heads)
        raise ValueError(f"num_heads={num_heads} is not a multiple of num_kv_heads={num_kv_heads}; nearest fewer that fit: {near}")


def check_pairs(config: ArchitectureConfig, head_dim: int) -> None:
    """Raise ValueError if rotary positions cannot turn heads of this width."""
    if config.position == "rope" and config.rope_fraction == 1 and head_dim % 2:
        raise ValueError(
            f"position='rope' turns pairs, but dim / num_heads = {head_dim} is odd; change num_heads, or position='none'"
        )
    if config.position == "rope" and int(head_dim * config.rope_fraction) < 2:
        raise ValueError(f"rope_fraction={config.rope_fraction} of a head {head_dim} wide is no pair of dims; raise it")


def check_reach(config: ArchitectureConfig, length: int, key: str) -> None:
    """Raise ValueError if a window or a block is so long that it hides nothing of `length` tokens, which `key` gives."""
    if config.window is not None and config.window > length:
        raise ValueError(
            f"window={config.window} is longer than {key}={length}, so it hides nothing; shorten it, or set attention='full'"
        )
    if config.attention in SPARSE and config.sparse_block >= length:
        raise ValueError(
            f"sparse_block={config.sparse_block} with attention='{config.attention}' is as long as {key}={length}, so it hides "
            "nothing; set a shorter block, or attention='full'"
        )


def _largest_divisor(number: int, limit: int) -> int:
    return max(divisor for divisor in range(1, min(number, limit) + 1) if number % divisor == 0)


class GenerationConfig(Config):
    """How text is continued; null is left to groundup."""

    greedy: bool = Field(default=False, description="always the most probable token")
    temperature: float | None = Field(
        default=None, ge=0, description="above 1 more varied, below 1 more sure, 0 greedy; default 0.7", allow_inf_nan=False
    )
    top_k: int | None = Field(default=None, ge=1, description="sample among the k most probable tokens")
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="sample among the most probable tokens that hold this share; default 0.95"
    )
    min_p: float | None = Field(
        default=None, ge=0, le=1, description="sample among tokens at least this share as probable as the likeliest"
    )
    repetition_penalty: float = Field(default=1.0, gt=0, description="divides logits of tokens seen before; above 1 repeats less")
    num_beams: int = Field(default=1, ge=1, le=1024, description="continuations searched at once for the most probable one")
    length_penalty: float | None = Field(
        default=None, description="power of the length that a beam's log-probability is divided by; default 1"
    )
    stop: tuple[str, ...] = Field(default=(), description="texts that end the continuation; they are left out")
    seed: int = Field(default=0, ge=-(2**63), lt=2**64, description="of the random stream")
    max_new_tokens: int | None = Field(default=None, ge=0, description="tokens to add at most; default as many as fit, at most 100")
    precision: WeightPrecision = Field(default="fp32", description="of the weights; bf16 is faster and less exact")

    @model_validator(mode="after")
    def _check_idle(self) -> Self:
        sampling = {"temperature": self.temperature, "top_k": self.top_k, "top_p": self.top_p, "min_p": self.min_p}
        if self.greedy or self.num_beams > 1:
            _refuse_idle("greedy" if self.greedy else f"num_beams={self.num_beams}", sampling)
        elif self.temperature == 0:
            _refuse_idle("temperature=0", {name: value for name, value in sampling.items() if name != "temperature"})
        if self.num_beams == 1:
            _refuse_idle("num_beams=1", {"length_penalty": self.length_penalty}, "has no beams to compare")
        else:
            penalty = self.repetition_penalty if self.repetition_penalty != 1 else None
            _refuse_idle(f"num_beams={self.num_beams}", {"repetition_penalty": penalty}, "searches what the model finds probable")
        if "" in self.stop:
            raise ValueError("stop='' ends every text before it begins; leave it out")
        return self


def _refuse_idle(choice: str, settings: Mapping[str, float | None], why: str = "takes the most probable text each time") -> None:
    """Raise ValueError if a setting is said (not None) beside a choice that leaves it without effect."""
    idle = ", ".join(f"{name}={value:g}" for name, value in settings.items() if value is not None)
    if idle:
        raise ValueError(f"{choice} and {idle}: {choice} {why}, so {idle} would have no effect; leave out the one or the other")
