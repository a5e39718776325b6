"""A checkpoint turned back into the model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from groundup.artifacts.checkpoint import MODEL_CONFIG_FILE, Checkpoint
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object
from groundup.nn.attention import KernelName
from groundup.nn.config import ModelConfig
from groundup.nn.tensors import check_tensors, our_shapes, read_tensors, without_numbers
from groundup.nn.transformer import Transformer, build_model

_REMAKE = "remake the checkpoint with --force"


def load_model(checkpoint: Checkpoint, device: torch.device, attention: KernelName = "sdpa") -> Transformer:
    """Return the checkpoint's model on `device`, in float32 and evaluation mode.

    Raises ArtifactError if the settings or weights are damaged, or do not belong together.
    """
    config = load_config(checkpoint)
    weights = read_weights(checkpoint, config)
    return model_of(config, weights, attention).to(device)


def model_of(config: ModelConfig, weights: Mapping[str, Tensor], attention: KernelName = "sdpa") -> Transformer:
    """Return the model with these weights, which must be those that it asks for, in float32 and evaluation mode."""
    with without_numbers():
        model = build_model(config, attention)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    model.requires_grad_(True)
    return model.eval()


def load_config(checkpoint: Checkpoint) -> ModelConfig:
    """Return the settings of the checkpoint's model."""
    file = checkpoint.path / MODEL_CONFIG_FILE
    try:
        return ModelConfig.parse(read_object(file), str(file))
    except ConfigError as error:
        raise ArtifactError(f"{error}; {_REMAKE}") from None


def read_weights(checkpoint: Checkpoint, config: ModelConfig) -> dict[str, Tensor]:
    """Return the tensors of the weights file, on the CPU.

    Settings are held against the file's own width and depth, so that nothing much larger than the file is ever built from them.
    """
    file = checkpoint.weights
    tensors = read_tensors(file, _REMAKE)
    blocks = sum(name.endswith(".attention.query.weight") for name in tensors)
    layers = config.num_layers + config.num_encoder_layers
    embedding = list(tensors["embedding.weight"].shape) if "embedding.weight" in tensors else None
    if blocks != layers or embedding != [config.vocab_size, config.dim]:
        raise ArtifactError(
            f"{file}: holds {blocks} blocks and an embedding {embedding}, {MODEL_CONFIG_FILE} asks for {layers} "
            f"and {[config.vocab_size, config.dim]}; {_REMAKE}"
        )
    try:
        check_tensors(tensors, our_shapes(config), MODEL_CONFIG_FILE)
    except ArtifactError as error:
        raise ArtifactError(f"{file}: {error}; {_REMAKE}") from None
    return tensors
