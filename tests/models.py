"""Small models of every architecture, for tests."""

from typing import get_args

import torch

from groundup.nn.config import ModelConfig, PositionName, ResidualName
from groundup.nn.transformer import Inputs, Transformer, build_model

VOCAB = 61
LENGTH = 96
ATTENTIONS = {
    "full": {},
    "sliding_window": {"window": 7},
    "sparse_strided": {"sparse_block": 8},
    "sparse_fixed": {"sparse_block": 8, "sparse_summary": 2},
    "big_bird": {"sparse_block": 8, "sparse_random": 1},
    "performer": {"performer_features": 64},
}
"""Settings of each kind of attention, such that LENGTH tokens are many blocks."""
SHAPES = {"decoder": {}, "prefix_decoder": {}, "encoder": {}, "encoder_decoder": {"num_encoder_layers": 2}}

FAMILIES = {
    "llama": {},
    "qwen3": {"qk_norm": True},
    "mistral": {"attention": "sliding_window", "window": 5},
    "gpt2": {"norm": "layer", "position": "learned", "feed_forward": "gelu_tanh", "bias": True, "num_kv_heads": 4},
    "bloom": {
        "norm": "layer",
        "position": "alibi",
        "feed_forward": "gelu_tanh",
        "bias": True,
        "embedding_norm": True,
        "num_kv_heads": 4,
        "ffn_dim": 128,
    },
    "gpt_neox": {"norm": "layer", "residual": "parallel", "feed_forward": "gelu", "bias": True, "num_kv_heads": 4},
    "opt": {"norm": "layer", "position": "learned", "feed_forward": "relu", "bias": True, "num_kv_heads": 4},
    "bert": {
        "shape": "encoder",
        "norm": "layer",
        "residual": "post",
        "embedding_norm": True,
        "position": "learned",
        "feed_forward": "gelu",
        "bias": True,
        "head_bias": True,
        "head_transform": True,
        "segments": 2,
        "num_kv_heads": 4,
    },
    "t5": {
        "shape": "encoder_decoder",
        "num_encoder_layers": 1,
        "position": "t5_bias",
        "scale_scores": False,
        "feed_forward": "geglu_tanh",
        "tie_embeddings": False,
        "num_kv_heads": 4,
    },
    "bart": {
        "shape": "encoder_decoder",
        "num_encoder_layers": 1,
        "norm": "layer",
        "residual": "post",
        "embedding_norm": True,
        "position": "learned",
        "feed_forward": "gelu",
        "bias": True,
        "num_kv_heads": 4,
    },
}
FAMILIES["roberta"] = FAMILIES["bert"]
FAMILIES["roformer"] = FAMILIES["bert"] | {"position": "rope", "rope_pairs": "neighbours"}
"""Settings with which a small model fits each family of other tools."""


def small_config(**changes) -> ModelConfig:
    sizes = {
        "vocab_size": VOCAB,
        "dim": 32,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 2,
        "ffn_dim": 48,
        "max_seq_len": LENGTH,
        "init": "deepnorm" if changes.get("residual") == "deepnorm" else "gpt2",  # the one belongs to the other
    }
    return ModelConfig.model_validate({**sizes, "init_std": 0.1, **changes})


def small_model(kernel: str = "sdpa", seed: int = 3, **changes) -> Transformer:
    model = build_model(small_config(**changes), kernel)
    model.init_weights(torch.Generator().manual_seed(seed))
    return model.eval()


def some_tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def some_inputs(shape: str, tokens: torch.Tensor, document_ids: torch.Tensor | None = None) -> Inputs:
    """Return inputs of a model of that shape; its source, if it has one, are the tokens the other way round."""
    source = Inputs((tokens + 7) % VOCAB, document_ids) if shape == "encoder_decoder" else None
    return Inputs(tokens, document_ids, source=source)


def architectures() -> list[dict]:
    """Return every combination of shape, attention and position that makes sense, the shape's and attention's settings included.

    Of an encoder-decoder, whose stacks are those of the other shapes, kinds of attention but full come with two positions each.
    """
    found = []
    for shape, sizes in SHAPES.items():
        for attention, settings in ATTENTIONS.items():
            for position in get_args(PositionName):
                changes = {"shape": shape, "attention": attention, "position": position, **sizes, **settings}
                few = shape == "encoder_decoder" and attention != "full"
                if sensible(changes) and (not few or position in ("rope", "t5_bias")):
                    found.append(changes)
    return found


def sensible(changes: dict) -> bool:
    try:
        small_config(**changes)
    except ValueError:
        return False
    return True


def name_of(changes: dict) -> str:
    return "-".join(str(changes[key]) for key in ("shape", "attention", "position"))


RESIDUALS = get_args(ResidualName)
