"""The ranks that share the blocks of a model, as a team meets them."""

from collections.abc import Sequence

from torch import Tensor

from groundup.nn.transformer import Transformer
from groundup.train.parallel.context import ContextParallel
from groundup.train.parallel.data.base import DataParallel
from groundup.train.parallel.mesh import Mesh
from groundup.train.parallel.pipeline.passes import Pipelined
from groundup.train.parallel.pipeline.shared import SharedWeights
from groundup.train.parallel.pipeline.split import Part, parts
from groundup.train.parallel.pipeline.stage import keep
from groundup.train.passes import SummedLoss
from groundup.train.working_copy import StandIn


class Pipeline:
    """A model cut into stages; stage i is on rank i modulo layout.pp."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._own: list[Part] = []

    def arrange(self, model: Transformer) -> None:
        """Leave in the model what this rank's stages need; called once, before everything else is done with it."""
        layout = self._mesh.layout
        every = parts(model.config, layout)
        self._own = [part for part in every if part.stage % layout.pp == self._mesh.place("pp")]
        self._shared = SharedWeights(model, self._mesh, every)
        keep(model, self._own)

    def passes(self, loss: SummedLoss, context: ContextParallel, data: DataParallel, stand_in: StandIn | None) -> Pipelined:
        """Return the passes through all stages; `loss` and `stand_in` are of the model that was arranged."""
        return Pipelined(loss, self._mesh, self._own, self._shared, context, data, stand_in)

    def counted(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the gradients without those that another rank of the pipeline has, too, and counts."""
        return self._shared.counted(gradients)

    def stages_with(self, weight: Tensor) -> int:
        """Return how many ranks of the pipeline have the weight."""
        return self._shared.ranks_with(weight)
