"""A Hugging Face folder as `transformers` computes it, beside our model."""

import importlib
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.nn.config import ModelConfig, ShapeName
from groundup.nn.transformer import Inputs, Transformer

AUTO_CLASSES: Final[dict[ShapeName, str]] = {
    "decoder": "AutoModelForCausalLM",
    "encoder": "AutoModelForMaskedLM",
    "encoder_decoder": "AutoModelForSeq2SeqLM",
}
"""What loads a folder with the head that the model was trained with."""


def load_transformers() -> Any:
    """Return the library, silent; ImportError if it is not there."""
    transformers = importlib.import_module("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def is_headless(config: ModelConfig) -> bool:
    """Return whether the layout holds the model without a head: an encoder without BERT's."""
    return config.shape == "encoder" and not config.head_transform


def some_inputs(config: ModelConfig, tokens: Int[Tensor, "batch seq"]) -> Inputs:
    """Return what the model is compared on: of an encoder-decoder each row is the decoder's, and the source of the row opposite."""
    return Inputs(tokens, source=Inputs(tokens.flip(0)) if config.shape == "encoder_decoder" else None)


@torch.inference_mode()
def their_results(folder: Path, config: ModelConfig, tokens: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq width"]:
    """Return the logits of the folder's model in float32 on the CPU; of one without a head the last vectors."""
    name = "AutoModel" if is_headless(config) else AUTO_CLASSES[config.shape]
    auto = getattr(load_transformers(), name)
    theirs = auto.from_pretrained(folder, dtype=torch.float32, local_files_only=True, use_safetensors=True).eval()
    inputs = some_inputs(config, tokens)
    source = {} if inputs.source is None else {"input_ids": inputs.source.tokens}
    result = theirs(**source, **{"decoder_input_ids" if source else "input_ids": inputs.tokens})
    found: Tensor = result.last_hidden_state if is_headless(config) else result.logits
    return found


@torch.inference_mode()
def our_results(ours: Transformer, tokens: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq width"]:
    """Return what `their_results` is compared with."""
    inputs = some_inputs(ours.config, tokens)
    return ours.hidden(inputs) if is_headless(ours.config) else ours(inputs)
