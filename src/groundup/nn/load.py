"""A checkpoint turned back into the model."""

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.artifacts.checkpoint import MODEL_CONFIG_FILE, Checkpoint
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object, storage_errors
from groundup.nn.attention import KernelName
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Transformer, build_model

_REMAKE = "remake the checkpoint with --force"


def load_model(checkpoint: Checkpoint, device: torch.device, attention: KernelName = "sdpa") -> Transformer:
    """Return the checkpoint's model on `device`, in float32 and evaluation mode.

    Raises ArtifactError if the settings or weights are damaged, or do not belong together.
    """
    config = load_config(checkpoint)
    weights = read_weights(checkpoint, config)
    with torch.device("meta"):
        model = build_model(config, attention)
    check_shapes(weights, {name: tensor.shape for name, tensor in model.state_dict().items()}, checkpoint)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=True)
    model.requires_grad_(True)
    return model.to(device).eval()


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
    try:
        with storage_errors(file), safe_open(file, framework="pt") as weights:
            tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise ArtifactError(f"{file}: damaged or not a safetensors file ({error}); {_REMAKE}") from None
    blocks = sum(name.endswith(".attention.query.weight") for name in tensors)
    layers = config.num_layers + config.num_encoder_layers
    embedding = list(tensors["embedding.weight"].shape) if "embedding.weight" in tensors else None
    if blocks != layers or embedding != [config.vocab_size, config.dim]:
        raise ArtifactError(
            f"{file}: holds {blocks} blocks and an embedding {embedding}, {MODEL_CONFIG_FILE} asks for {layers} "
            f"and {[config.vocab_size, config.dim]}; {_REMAKE}"
        )
    return tensors


def check_shapes(weights: dict[str, Tensor], expected: dict[str, torch.Size], checkpoint: Checkpoint) -> None:
    """Raise ArtifactError that names the first tensor that is missing, unknown, or has another shape or kind of number."""
    file = checkpoint.weights
    missing, extra = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing:
        raise ArtifactError(f"{file}: tensor '{missing[0]}' is missing ({len(missing)} in all); {_REMAKE}")
    if extra:
        raise ArtifactError(f"{file}: tensor '{extra[0]}' is unknown to the model ({len(extra)} in all); {_REMAKE}")
    for name, shape in expected.items():
        tensor = weights[name]
        if tensor.shape != shape:
            raise ArtifactError(
                f"{file}: tensor '{name}' is {list(tensor.shape)}, {MODEL_CONFIG_FILE} asks for {list(shape)}; {_REMAKE}"
            )
        if not tensor.is_floating_point():
            raise ArtifactError(f"{file}: tensor '{name}' holds {tensor.dtype}, expected floating-point numbers; {_REMAKE}")
