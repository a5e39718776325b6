"""What a process holds of a model in training, from step to step."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor
from torch.distributed.tensor import DTensor

from groundup.train.step import TrainStep


@dataclass(frozen=True)
class States:
    """Bytes of this process, each storage counted once."""

    weights: int
    """What passes compute with."""
    master_weights: int
    """What is updated, where it is not that."""
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        return self.weights + self.master_weights + self.gradients + self.optimizer


def states_of(step: TrainStep) -> States:
    """Return what is held now; as an update begins, that is all that the memory laws of Rajbhandari et al. (2020) speak of."""
    updated, passed, seen = list(step.model.parameters()), list(step.loss.model.parameters()), set[int]()
    kept = [value for state in step.optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    return States(
        weights=_new_bytes(passed, seen),
        master_weights=_new_bytes(updated, seen),
        gradients=_new_bytes((weight.grad for weight in (*updated, *passed) if weight.grad is not None), seen),
        optimizer=_new_bytes(kept, seen),
    )


def _new_bytes(tensors: Iterable[Tensor], seen: set[int]) -> int:
    """Return the bytes of the storages that are not in `seen`, and put them there."""
    total = 0
    for tensor in tensors:
        own: Tensor = tensor._local_tensor if isinstance(tensor, DTensor) else tensor
        storage = own.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            total += storage.nbytes()
    return total
