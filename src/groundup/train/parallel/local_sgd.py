"""Islands of ranks that train apart and bring their weights together from time to time (parallel.local_sgd)."""

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundup.train.apart import Apart
from groundup.train.parallel.collectives import sum_in_place
from groundup.train.parallel.config import LocalSgd


class OuterStep(Apart):
    """Local SGD with an outer optimizer (DiLoCo: Douillard et al. 2023, algorithm 1).

    Every `inner_steps` steps the islands' mean change of the weights since the last exchange is taken for a gradient, on which SGD
    with Nesterov momentum moves the weights that all islands go on from. Each island keeps its own inner optimizer's states. What
    is sharded within an island stays so: a rank exchanges its own part with the ranks at the same place of the others.
    """

    def __init__(self, settings: LocalSgd, islands: dist.ProcessGroup) -> None:
        self._settings = settings
        self._group = islands
        self.island, self.islands = islands.rank(), islands.size()
        self._model = nn.Module()
        self._weights: dict[str, Tensor] = {}
        """Of the last exchange, that the islands went on from."""
        self._momentum: dict[str, Tensor] = {}

    def take(self, model: nn.Module) -> None:
        """Bring together the weights of this model, which lie as they are to stay."""
        self._model = model

    @torch.no_grad()
    def begin(self) -> None:
        """Remember the weights that the first steps change."""
        for name, weight in self._model.named_parameters():
            self._weights[name] = weight.detach().clone()
            self._momentum[name] = torch.zeros_like(self._weights[name])

    def after_update(self, step: int, is_last: bool) -> None:
        """Exchange if `step` steps are a whole number of `inner_steps`, or the last of the run."""
        if is_last or step % self._settings.inner_steps == 0:
            self._exchange()

    def weights(self) -> dict[str, Tensor]:
        return dict(self._weights)

    def momentum(self) -> dict[str, Tensor]:
        return dict(self._momentum)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor], momentum: Mapping[str, Tensor]) -> None:
        for own, given in ((self._weights, weights), (self._momentum, momentum)):
            for name, tensor in own.items():
                tensor.copy_(given[name])

    @torch.no_grad()
    def _exchange(self) -> None:
        rate, decay = self._settings.outer_rate, self._settings.outer_momentum
        for name, weight in self._model.named_parameters():
            own, outer, momentum = (_local(x) for x in (weight, self._weights[name], self._momentum[name]))
            change = (outer - own).contiguous()
            sum_in_place(change, self._group)
            change /= self.islands
            momentum.mul_(decay).add_(change)
            outer.sub_(change.add_(momentum, alpha=decay), alpha=rate)
            own.copy_(outer)


def _local(tensor: Tensor) -> Tensor:
    local: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local
