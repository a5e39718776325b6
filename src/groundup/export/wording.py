"""How the model card words what a model is and does."""

from typing import Final

from groundup.nn.config import FeedForwardName, ModelConfig, NormName, PositionName, ResidualName, ShapeName

KINDS: Final[dict[ShapeName, str]] = {
    "decoder": "decoder-only language model",
    "encoder": "encoder-only language model",
    "encoder_decoder": "encoder-decoder language model",
}
DOES: Final[dict[ShapeName, str]] = {
    "decoder": "It continues text; it was not tuned to follow instructions.",
    "encoder": "It reads a text both ways and says which tokens may stand at its masks; it does not continue text.",
    "encoder_decoder": "It reads a source and writes a target; it was not tuned for a task or to follow instructions.",
}
OBJECTIVES: Final[dict[str, str]] = {
    "causal": "causal: predict each next token",
    "masked": "masked: find tokens hidden in a text",
    "span_corruption": "span corruption: write the spans hidden in a source, each after its sentinel",
    "denoising": "denoising: write the text that a source was damaged from",
    "fill_in_middle": "causal, and fill in the middle: write what stands between a prefix and a suffix",
    "mixture": "mixture of denoisers: write hidden spans or the rest of a text, as the first token of the source says",
}
PIPELINES: Final[dict[ShapeName, str]] = {
    "decoder": "text-generation",
    "encoder": "fill-mask",
    "encoder_decoder": "text2text-generation",
}
"""The task that model hubs list the model under; an encoder without a head makes features."""
TAGS: Final[dict[ShapeName, str]] = {"decoder": "causal-lm", "encoder": "masked-lm", "encoder_decoder": "seq2seq-lm"}
NORMS: Final[dict[NormName, str]] = {
    "rms": "RMSNorm",
    "layer": "LayerNorm",
    "layer_no_bias": "LayerNorm without bias",
    "rms_plain": "RMSNorm without weights",
}
PLACES: Final[dict[ResidualName, str]] = {
    "pre": "before each layer",
    "post": "after each layer",
    "sandwich": "before and after each layer",
    "parallel": "before each block, whose layers are side by side",
    "parallel_shared": "before each block, whose layers are side by side and share it",
    "deepnorm": "after each layer, with DeepNorm's weights",
}
POSITIONS: Final[dict[PositionName, str]] = {
    "rope": "rotary",
    "learned": "learned",
    "sinusoidal": "sinusoidal",
    "t5_bias": "relative biases (T5)",
    "alibi": "ALiBi",
    "transformer_xl": "relative scores (Transformer-XL)",
    "none": "none",
}
FEED_FORWARDS: Final[dict[FeedForwardName, str]] = {
    "swiglu": "SwiGLU",
    "geglu": "GeGLU",
    "geglu_tanh": "GeGLU",
    "reglu": "ReGLU",
    "gelu": "GELU",
    "gelu_tanh": "GELU",
    "relu": "ReLU",
    "relu_squared": "squared ReLU",
    "silu": "SiLU",
}


def positions(config: ModelConfig) -> str:
    """Return how the model knows where a token stands."""
    base = f" (base {config.rope_theta:g})" if config.position == "rope" else ""
    return POSITIONS[config.position] + base


def layers(config: ModelConfig) -> str:
    """Return the blocks, of both stacks where there are two."""
    return f"{config.num_encoder_layers} + {config.num_layers}" if config.num_encoder_layers else str(config.num_layers)
