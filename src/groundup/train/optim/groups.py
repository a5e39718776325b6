"""Parameters grouped by how they are trained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from groundup.train.optim.config import OptimizerConfig, Role

RATE_SCALE = "rate_scale"
"""Key of a parameter group: what its learning rate is multiplied by."""


@dataclass(frozen=True)
class Trained:
    """A parameter that takes a gradient."""

    name: str
    role: Role
    parameter: nn.Parameter


def trained_parameters(model: nn.Module) -> Iterator[Trained]:
    """Yield every parameter that takes a gradient, a shared one once.

    Roles: 'embeddings' are tables whose rows are looked up, those of positions too, and with them a tied head; 'head' are the
    matrices of the output head; 'matrices' are all others, those of the blocks; 'biases' are what is called so; 'norms' are all
    other vectors.
    """
    seen = set()
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                yield Trained(f"{path}.{name}" if path else name, _role(path, module, name, parameter), parameter)


def _role(path: str, module: nn.Module, name: str, parameter: nn.Parameter) -> Role:
    if parameter.ndim < 2:
        return "biases" if name.endswith("bias") else "norms"
    if not isinstance(module, nn.Linear):
        return "embeddings"
    return "head" if "head" in path.split(".") else "matrices"


def parameter_groups(
    model: nn.Module,
    config: OptimizerConfig,
    mup_power: float,
    settings: Callable[[Role], dict[str, Any]] = lambda role: {},
) -> list[dict[str, Any]]:
    """Return the groups of an optimizer: parameters that share weight decay, learning rate and `settings`.

    Under init=mup the learning rate of the blocks' matrices is times (base width / width)^mup_power, so that the rate that is best
    at the base width is best at any (Yang et al. 2022, table 8). The power is 1 where every entry of a matrix moves by the rate
    whatever the width, as in Adam; 1/2 where the update is orthogonal times the root of the width, or relative to the entries,
    which themselves shrink with that root.
    """
    groups: dict[str, dict[str, Any]] = {}
    for trained in trained_parameters(model):
        own: dict[str, Any] = {"weight_decay": _decay(trained.role, config), RATE_SCALE: 1.0, **settings(trained.role)}
        if trained.role == "matrices":
            own[RATE_SCALE] *= _mup_scale(model) ** mup_power
        groups.setdefault(repr(own), {**own, "params": []})["params"].append((trained.name, trained.parameter))
    return list(groups.values())


def _decay(role: Role, config: OptimizerConfig) -> float:
    decayed = config.decayed or ()
    return config.weight_decay or 0.0 if (role if role != "head" else "matrices") in decayed else 0.0


def _mup_scale(model: nn.Module) -> float:
    """Return base width / width under init=mup, else 1."""
    config = getattr(model, "config", None)
    return config.mup_base_dim / config.dim if config is not None and config.init == "mup" else 1.0


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Use `learning_rate` for the next update of all parameters, scaled where their group says so."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[RATE_SCALE]
