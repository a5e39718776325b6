"""How the recipe of a model goes to another width: shape, learning rate, batch and schedule.

The learning rate follows the project's own rule (`OptimizerConfig.peak`). A rate that the recipe leaves open is derived anew for
each width: AdamW's is 0.5 / width. One that it says is multiplied by what the rule gives the new width over what it gives the
recipe's own: 1 / width for AdamW, unchanged for Adafactor's relative steps and Muon's own scale. With `init: mup` the rule is
constant, as the model scales the rates of its matrices itself (Yang et al. 2022).
"""

from dataclasses import dataclass
from typing import Any

from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig
from groundup.plan.config import SizeConfig
from groundup.plan.shapes import MIN_LAYERS, default_layers
from groundup.train.config import TrainConfig
from groundup.train.optim.config import OptimizerConfig, adamw_peak

FFN_STEP = 32


@dataclass(frozen=True)
class Target:
    """The run that the recipe itself describes."""

    model: ModelConfig
    params: int
    tokens: int
    steps: int
    flops: float

    @property
    def tokens_per_param(self) -> float:
        return self.tokens / self.params


def size_at(size: SizeConfig, dim: int, num_layers: int | None) -> SizeConfig:
    """Return the recipe's model at another width: heads as wide, and all else in the proportion to the width that it has there."""
    data: dict[str, Any] = {**size.model_dump(), "preset": None, "dim": dim}
    data["num_layers"] = num_layers or default_layers(dim)
    if size.dim is not None and size.num_layers is not None:
        scale = dim / size.dim
        data["num_layers"] = num_layers or max(min(MIN_LAYERS, size.num_layers), round(size.num_layers * scale))
        if size.num_encoder_layers is not None:
            data["num_encoder_layers"] = max(1, round(size.num_encoder_layers * data["num_layers"] / size.num_layers))
        if size.ffn_dim is not None:
            data["ffn_dim"] = max(FFN_STEP, round(size.ffn_dim * scale / FFN_STEP) * FFN_STEP)
        data |= _heads_at(size, dim)
    return SizeConfig.parse(data, f"a run of width {dim}")


def _heads_at(size: SizeConfig, dim: int) -> dict[str, int | None]:
    """Return the heads of the width; None is derived from the width by the family of shapes."""
    assert size.dim is not None, "the recipe's width is said"
    if size.num_heads is None:
        return {"num_kv_heads": None}
    width = size.head_dim or size.dim // size.num_heads
    heads = max(1, round(size.num_heads * dim / size.dim)) if size.head_dim else max(1, dim // width)
    if not size.head_dim and dim % heads:
        return {"num_heads": None, "num_kv_heads": None}
    if size.num_kv_heads is None:
        return {"num_heads": heads}
    shared = max(1, size.num_heads // size.num_kv_heads)
    return {"num_heads": heads, "num_kv_heads": heads // shared if heads % shared == 0 else heads}


def optimizer_at(optimizer: OptimizerConfig, model: ModelConfig, target: Target | None) -> OptimizerConfig:
    """Return the optimizer for the model; raise ConfigError if a rate is said and the width that it was said for is not known."""
    said = {key: getattr(optimizer, key) for key in ("learning_rate", "adamw_learning_rate")}
    if not any(said.values()):
        return optimizer
    if target is None:
        key = next(key for key, value in said.items() if value)
        raise ConfigError(
            f"pretrain.optimizer.{key}={said[key]:g} is of one width, and the recipe says none; say model.dim and "
            f"model.num_layers, or leave {key} out so that each width has its own"
        )
    free = optimizer.model_copy(update=dict.fromkeys(said))
    factors = {
        "learning_rate": free.peak(model) / free.peak(target.model),
        "adamw_learning_rate": adamw_peak(model) / adamw_peak(target.model),
    }
    scaled = {key: value * factors[key] for key, value in said.items() if value}
    return optimizer.model_copy(update=scaled)


def batch_at(train: TrainConfig, exponent: float, tokens: float, target: Target | None) -> int:
    """Return the batch of a run of so many tokens [tokens], in whole rows; ConfigError if it hangs on an unknown length."""
    if not exponent:
        return train.batch_tokens
    if target is None:
        raise ConfigError(
            f"--ladder batch_exponent={exponent:g} is relative to the recipe's own tokens, and it says none; say model.dim, "
            "model.num_layers and budget.tokens or pretrain.steps, or leave batch_exponent out"
        )
    share: float = (tokens / target.tokens) ** exponent
    return max(1, round(train.batch_sequences * share)) * train.seq_len


def schedule_at(train: TrainConfig, steps: int, target: Target | None) -> dict[str, Any]:
    """Return the schedule's settings for a run of `steps`: what is said in steps takes the share of the run that it has there.

    Raises ConfigError for parts of the course that are given in tokens or steps of one run.
    """
    fixed = {
        "pretrain.batch_ramp": train.batch_ramp is not None,
        "pretrain.lengths with until_tokens": any(part.until_tokens is not None for part in train.lengths),
        "pretrain.mixture with from_step": any(part.from_step is not None for part in train.mixture),
    }
    for what, is_said in fixed.items():
        if is_said:
            raise ConfigError(f"{what} is of one length of run, and those of a ladder differ; say fractions, or leave it out")
    data = train.schedule.model_dump()
    for key in ("warmup_steps", "decay_steps"):
        if data.get(key):
            if target is None:
                raise ConfigError(
                    f"pretrain.schedule.{key}={data[key]:,} is of one length of run, and the recipe says none; say "
                    f"{key.replace('steps', 'fraction')}"
                )
            data[key] = max(1, round(data[key] * steps / target.steps))
    return data
