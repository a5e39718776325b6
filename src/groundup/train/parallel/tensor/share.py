"""Share a model's matrices out among tensor-parallel ranks."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard, distribute_tensor

from groundup.nn.attention.layer import Attention
from groundup.nn.feedforward import FeedForward
from groundup.nn.head import Head
from groundup.nn.positions import DistanceScores, Position
from groundup.nn.positions.alibi import AlibiPosition
from groundup.nn.positions.t5 import T5Position
from groundup.nn.stack import Base
from groundup.nn.transformer import Transformer
from groundup.train.parallel.tensor import parts
from groundup.train.parallel.tensor.exchange import Peers
from groundup.train.parallel.tensor.sizes import check_tensor

_ROWS, _COLUMNS, _WHOLE = Shard(0), Shard(1), Replicate()
_Way = tuple[nn.Module, type[parts.Part], Placement]
"""A module, what it becomes, and how its matrices lie on the ranks."""


def share_out(model: Transformer, mesh: DeviceMesh) -> None:
    """Leave this rank its part of each matrix, in place; names stay, and all parameters become DTensors.

    Heads, inner dims of the feed-forward layer and rows of the vocabulary are shared (Shoeybi et al. 2019, section 3); norms,
    biases of the stream and tables of positions are whole on each rank, which uses them for its part of the sequence. Raises
    ConfigError if the model cannot be shared out evenly.
    """
    peers = Peers(mesh)
    check_tensor(model.config, peers.size)
    ways: dict[nn.Module, _Way] = {module: (module, parts.Part, _WHOLE) for module in model.modules() if module._parameters}
    for module in model.modules():
        ways.update({way[0]: way for way in _ways(module)})
    for way in ways.values():
        _become(*way, peers)
    for module in model.modules():
        if isinstance(module, AlibiPosition):
            heads = len(module.slopes) // peers.size
            module.slopes = module.slopes[peers.rank * heads :][:heads].clone()


def _ways(module: nn.Module) -> Iterator[_Way]:
    """Yield what becomes of a module and those in it."""
    match module:
        case Attention():
            yield from ((matrix, parts.Part, _ROWS) for matrix in (module.query, module.key, module.value))
            yield module.output, parts.Summing, _COLUMNS
            yield module, parts.SomeHeads, _WHOLE
        case DistanceScores():
            yield module.place, parts.Part, _ROWS
            yield module, parts.Part, _ROWS
        case FeedForward():
            yield from ((matrix, parts.Part, _ROWS) for matrix in module.children() if isinstance(matrix, nn.Linear))
            yield module.down, parts.Summing, _COLUMNS
            yield module, parts.Wide, _WHOLE
        case Position():
            yield module, parts.OwnPositions, _WHOLE
            if isinstance(module, T5Position):
                yield module.table, parts.Part, _COLUMNS
        case Base():
            yield module.norm, parts.Last, _WHOLE
        case Head():
            yield module, parts.SomeLogits, _ROWS
            if module.output is not None:
                yield module.output, parts.Part, _ROWS
        case Transformer():
            yield module, parts.EvenLengths, _WHOLE
            if module.embedding is not None:  # a stage of a pipeline may have none
                yield module.embedding, parts.SomeTokens, _ROWS
            if module.segments is not None:
                yield module.segments, parts.OwnTokens, _WHOLE


def _become(module: nn.Module, part: type[parts.Part], lie: Placement, peers: Peers) -> None:
    """Share the module's own parameters out, and let it compute with this rank's part of them."""
    members: dict[str, Any] = {"peers": peers}
    for name, whole in module.named_parameters(recurse=False):
        own = _WHOLE if whole.ndim == 1 and lie == _COLUMNS else lie  # a vector has no columns
        shared = distribute_tensor(whole.detach(), peers.mesh, [own], src_data_rank=None)
        module.register_parameter(name, nn.Parameter(shared, whole.requires_grad))
        members[name] = property(partial(_local, name, Partial() if own == _WHOLE else own))
    module.__class__ = type(f"{part.__name__}{type(module).__name__}", (part, type(module)), members)


def _local(name: str, gradient: Placement, module: nn.Module) -> Tensor:
    """Return what this rank has of a parameter; of one that is whole on all ranks, each rank's gradient is a share of a sum.

    Outside its block's passes, ranks that read other text may share out the part again (zero=3): that is returned as it is.
    """
    parameter = module._parameters[name]
    assert isinstance(parameter, DTensor), "shared out"
    return parameter.to_local(grad_placements=[gradient]) if parameter.device_mesh.ndim == 1 else parameter
