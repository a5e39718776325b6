"""Weights that several stages of a pipeline need: the embedding that is the head's matrix, tables of a stack's positions."""

from collections.abc import Iterable, Sequence

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundup.nn.transformer import Transformer
from groundup.train.parallel.collectives import dense_gradient, sum_wide
from groundup.train.parallel.mesh import Mesh
from groundup.train.parallel.pipeline.split import Part


class SharedWeights:
    """Each is on several ranks of a pipeline, with the same first numbers, the same gradient, and so the same numbers for ever."""

    def __init__(self, model: Transformer, mesh: Mesh, parts: Sequence[Part]) -> None:
        """Find them in a model that is still whole; all ranks call this together."""
        self._model = model
        self._groups: dict[str, dist.ProcessGroup] = {}
        self._counted_elsewhere: list[str] = []
        known: dict[tuple[int, ...], dist.ProcessGroup | None] = {}
        for name, _ in model.named_parameters():
            ranks = tuple(sorted({part.stage % mesh.layout.pp for part in parts if part.holds(name, model.config)}))
            if len(ranks) > 1 and ranks not in known:
                known[ranks] = mesh.part_of("pp", ranks)
            if (group := known.get(ranks)) is not None:
                self._groups[name] = group
                if mesh.place("pp") != ranks[0]:
                    self._counted_elsewhere.append(name)

    def sum_gradients(self, passed: nn.Module) -> None:
        """Give each rank's copy the gradient that all stages have of it together.

        `passed`: the model that passes ran through. It has the gradients, unless they were handed to the one that is updated.
        """
        weights, updated = dict(passed.named_parameters()), self._weights()
        for name, group in self._groups.items():
            sum_wide(dense_gradient(weights[name] if weights[name].grad is not None else updated[name]), group)

    def counted(self, gradients: Iterable[Tensor]) -> list[Tensor]:
        """Return the gradients without those that another rank of the pipeline counts."""
        weights = self._weights()
        elsewhere = {id(weights[name].grad) for name in self._counted_elsewhere}
        return [gradient for gradient in gradients if id(gradient) not in elsewhere]

    def ranks_with(self, weight: Tensor) -> int:
        """Return how many ranks of the pipeline have a weight of the model."""
        place = _place(weight)
        group = next((group for name, group in self._groups.items() if _place(self._weights()[name]) == place), None)
        return group.size() if group else 1

    def _weights(self) -> dict[str, nn.Parameter]:
        return dict(self._model.named_parameters())


def _place(weight: Tensor) -> int:
    """Return where this rank's numbers lie in memory."""
    own: Tensor = weight.to_local() if isinstance(weight, DTensor) else weight
    return own.data_ptr()
