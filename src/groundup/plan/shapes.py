"""The family of model shapes that one dial, the width, runs through."""

from groundup.core.errors import ConfigError
from groundup.core.units import format_count
from groundup.estimate.parameters import total_parameters
from groundup.nn.config import GATED, ModelConfig
from groundup.plan.config import SizeConfig

WIDTHS = (64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
MIN_LAYERS = 2
WIDTH_PER_LAYER = 64
"""One block for each 64 of width: near the aspect ratios of published small models (GPT-2 small: 768 / 12)."""


def shape(size: SizeConfig, dim: int, num_layers: int, vocab_size: int, seq_len: int) -> ModelConfig:
    """Return the model of this width and depth; what `size` fixes wins, the rest is derived from the width.

    Raises ConfigError if the parts do not fit together.
    """
    num_heads = size.num_heads or (max(1, dim // size.head_dim) if size.head_dim else default_heads(dim))
    fields = {
        **size.choices(),
        "vocab_size": vocab_size,
        "dim": dim,
        "num_layers": num_layers,
        "num_encoder_layers": (size.num_encoder_layers or num_layers) if size.shape == "encoder_decoder" else 0,
        "num_heads": num_heads,
        "num_kv_heads": size.num_kv_heads or num_heads,
        "head_dim": size.head_dim or 0,
        "ffn_dim": size.ffn_dim or default_ffn_dim(dim, size.feed_forward),
        "max_seq_len": seq_len,
    }
    return ModelConfig.parse(fields, "model")


def at_depth(model: ModelConfig, num_layers: int) -> ModelConfig:
    """Return the model with so many layers, those of an encoder in proportion."""
    encoder = max(1, round(num_layers * model.num_encoder_layers / model.num_layers)) if model.num_encoder_layers else 0
    return model.model_copy(update={"num_layers": num_layers, "num_encoder_layers": encoder})


def family(size: SizeConfig, vocab_size: int, seq_len: int) -> tuple[ModelConfig, ...]:
    """Return the candidates for a budget, smallest first; a single one if the user fixed the size."""
    if size.dim is not None and size.num_layers is not None:
        return (shape(size, size.dim, size.num_layers, vocab_size, seq_len),)
    candidates, problems = [], []
    for dim in WIDTHS:
        try:
            candidates.append(shape(size, dim, default_layers(dim), vocab_size, seq_len))
        except ConfigError as problem:
            problems.append(str(problem))
    if not candidates:
        raise ConfigError(f"no width of {WIDTHS} fits the other settings of the model; the first says: {problems[0]}")
    return tuple(candidates)


def default_layers(dim: int) -> int:
    """Return the depth that goes with a width."""
    return max(MIN_LAYERS, dim // WIDTH_PER_LAYER)


def default_heads(dim: int) -> int:
    """Return heads of width 64, of 32 in narrow models so that there are several, else the most even heads that divide `dim`."""
    head_dim = 64 if dim >= 256 else 32
    if dim % head_dim == 0:
        return dim // head_dim
    fitting = (heads for heads in range(max(1, dim // head_dim), 1, -1) if dim % heads == 0 and (dim // heads) % 2 == 0)
    return next(fitting, 1)


def default_ffn_dim(dim: int, feed_forward: str) -> int:
    """Return 8/3 of the width for SwiGLU (Shazeer 2020, section 2: as many parameters as 4 dim with two matrices), in 32s."""
    width = dim * 8 / 3 if feed_forward in GATED else dim * 4
    return max(32, round(width / 32) * 32)


def describe(model: ModelConfig) -> str:
    """Return the model's size and shape in words."""
    return (
        f"{format_count(total_parameters(model))} parameters (dim {model.dim}, {model.num_layers} layers, {model.num_heads} heads)"
    )
