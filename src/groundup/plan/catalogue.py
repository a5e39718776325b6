"""The published models that a recipe can name."""

from dataclasses import dataclass

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.core.units import format_count
from groundup.estimate.parameters import total_parameters
from groundup.nn.config import ShapeName
from groundup.nn.presets import presets


@dataclass(frozen=True)
class PublishedModel:
    """One published size, with its parameters counted exactly."""

    name: str
    """What `model.preset` calls it."""
    family: str
    shape: ShapeName
    params: int
    dim: int
    num_layers: int
    num_encoder_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    max_seq_len: int
    source: str


def published_models(part: str = "") -> list[PublishedModel]:
    """Return the models with `part` in their name or family, in the order of the table; raise ConfigError if there is none."""
    known = presets()
    found = [preset for preset in known.values() if part in preset.name or part in preset.family]
    if not found:
        raise ConfigError(f"no published model has '{part}' in its name; {nearest(part, list(known))}")
    models = []
    for preset in found:
        config = preset.config
        sizes = {name: getattr(config, name) for name in PublishedModel.__dataclass_fields__ if name in type(config).model_fields}
        models.append(PublishedModel(preset.name, preset.family, params=total_parameters(config), source=preset.source, **sizes))
    return models


def render_models(models: list[PublishedModel]) -> str:
    """Return a line for each model, and below each family where it is published."""
    width = max(len(model.name) for model in models)
    lines = []
    for number, model in enumerate(models):
        depth = f"{model.num_encoder_layers} + {model.num_layers}" if model.num_encoder_layers else str(model.num_layers)
        shape = f"{model.shape.replace('_', '-')}, {depth} layers of {model.dim:,}, {model.num_heads} heads"
        lines.append(f"{model.name:<{width}}  {format_count(model.params):>6}  {model.params:>15,}  {shape}")
        if number + 1 == len(models) or models[number + 1].family != model.family:
            lines.append(f"{'':<{width}}  {model.source}")
    return "\n".join(lines)
