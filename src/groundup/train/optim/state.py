"""The state of an optimizer as flat tensors, and back."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from groundup.core.errors import ArtifactError


def state_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as flat 'parameter name.state name' -> tensor: the live ones, not copies."""
    return {
        f"{parameter_name}.{name}": value
        for parameter_name, parameter in _named(optimizer).items()
        for name, value in optimizer.state.get(parameter, {}).items()
    }


def load_state_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back copies of what `state_tensors` returned, bit for bit, in place of all state that there is.

    Raises ArtifactError if they are of parameters that are not trained here.
    """
    parameters = _named(optimizer)
    state: dict[nn.Parameter, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parameter_name, name = key.rsplit(".", 1)
        if parameter_name not in parameters:
            raise ArtifactError(
                f"optimizer state of '{parameter_name}', which this model does not train; go on with the model it is of"
            )
        parameter = parameters[parameter_name]
        device = parameter.device if value.ndim or _counts_on_device(optimizer, parameter) else torch.device("cpu")
        state.setdefault(parameter, {})[name] = torch.empty_like(value, device=device).copy_(value)
    optimizer.state.clear()
    for parameter, values in state.items():
        optimizer.state[parameter].update(values)


def parameter_of(optimizer: Optimizer, key: str) -> nn.Parameter | None:
    """Return the parameter that the state 'parameter name.state name' is of; None if it is not trained here."""
    return _named(optimizer).get(key.rsplit(".", 1)[0])


def _named(optimizer: Optimizer) -> dict[str, nn.Parameter]:
    return {
        name: parameter
        for group in optimizer.param_groups
        for name, parameter in zip(group["param_names"], group["params"], strict=True)
    }


def _counts_on_device(optimizer: Optimizer, parameter: nn.Parameter) -> bool:
    """Return whether the count of steps lies with the parameter, as fused kernels want it."""
    return any(group.get("fused") for group in optimizer.param_groups if any(parameter is other for other in group["params"]))
