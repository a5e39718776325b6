"""The ranks that share each matrix, as a team meets them."""

from torch.distributed.device_mesh import DeviceMesh

from groundup.nn.transformer import Transformer
from groundup.train.loss import CrossEntropy
from groundup.train.parallel.tensor.exchange import Peers
from groundup.train.parallel.tensor.loss import vocabulary_cross_entropy
from groundup.train.parallel.tensor.share import share_out
from groundup.train.passes import SummedLoss


class TensorParallel:
    """A model whose matrices are shared out, with the loss that belongs to it; nothing of both if there is one rank."""

    def __init__(self, mesh: DeviceMesh) -> None:
        self._mesh = mesh
        self._cross_entropy: CrossEntropy | None = None

    def arrange(self, model: Transformer) -> None:
        """Leave this rank its part of what the model holds; after a pipeline is cut into stages, before all else."""
        if self._mesh.size() > 1:
            share_out(model, self._mesh)
            self._cross_entropy = vocabulary_cross_entropy(Peers(self._mesh), model.config.vocab_size)

    def take(self, loss: SummedLoss) -> None:
        """Let the loss be that of all of the vocabulary, and blocks such as can be compiled."""
        if self._cross_entropy is not None:
            loss.cross_entropy = self._cross_entropy
            loss.compile_passes_apart()
