"""Models whose matrices lie in memory in the order in which the CPU's kernels read them."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundup.nn.attention.layer import Attention, Glance, gather
from groundup.nn.cache import LayerCache
from groundup.nn.feedforward import Gated
from groundup.nn.head import Head
from groundup.nn.norms import Norm
from groundup.nn.precision import compute_dtype
from groundup.nn.transformer import Transformer

SERVED = (torch.float32, torch.bfloat16)
"""Of the weights that oneDNN reorders."""


class ReorderedLinear(nn.Module):
    """W x + b, with W in the blocked layout that oneDNN chooses for it; for inference alone."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Float[Tensor, " out"] | None) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self._bias = None if bias is None else bias.detach()

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")  # type: ignore[no-any-return]


class JoinedAttention(nn.Module):
    """Attention of tokens to themselves, with queries, keys and values made in one product, the first two turned together.

    Without norms of queries and keys, which each have their own, and without scores of distances, which queries alone take part in.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self._head_dim = attention.head_dim
        widths = [part.out_features // attention.head_dim for part in (attention.query, attention.key)]
        self._queries, self._turned = widths[0], sum(widths)
        self._inner = joined((attention.query, attention.key, attention.value))
        self._output = reordered_linear(attention.output)

    def forward(
        self, x: Float[Tensor, "batch seq dim"], glance: Glance, cache: LayerCache | None = None
    ) -> Float[Tensor, "batch seq dim"]:
        dtype = compute_dtype(x)
        inner = self._inner(x).to(dtype if cache is None else cache.dtype)
        heads = inner.view(*x.shape[:-1], -1, self._head_dim)  # batch, seq, heads of all three, head_dim
        turned = glance.turn(heads[:, :, : self._turned]).transpose(1, 2)
        query, key, value = turned[:, : self._queries], turned[:, self._queries :], heads[:, :, self._turned :].transpose(1, 2)
        if cache is not None:
            key, value = cache.append(key, value)
        return self._output(gather(query, key, value, glance.mechanism, glance.prepared, dtype))  # type: ignore[no-any-return]


class JoinedGated(nn.Module):
    """A gated feed-forward layer with both wide products in one."""

    def __init__(self, layer: Gated) -> None:
        super().__init__()
        self._activation = layer.activation
        self._wide = joined((layer.gate, layer.up))
        self._down = reordered_linear(layer.down)

    def forward(self, x: Float[Tensor, "batch seq dim"]) -> Float[Tensor, "batch seq dim"]:
        gate, up = self._wide(x).chunk(2, dim=-1)
        return self._down(self._activation(gate) * up)  # type: ignore[no-any-return]


class ReorderedHead(nn.Module):
    """A head with its output matrix reordered."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.weight = head.weight
        self.features = head.features
        self._output = ReorderedLinear(head.weight, head.bias)
        self._capped = head.capped

    def forward(self, hidden: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch vocab"]:
        return self._capped(self._output(self.features(hidden)))


def reordered(model: Transformer) -> Transformer:
    """Return a copy of the model that decodes faster on a CPU; what is no matrix of a product is shared with the model.

    Where oneDNN does not serve the device or dtype, the model itself. The copy is not to be trained or saved.
    """
    weight = model.head.weight
    if weight.device.type != "cpu" or weight.dtype not in SERVED or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return model
    instead: dict[int, object] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    _put_faster_parts(model, instead)
    return copy.deepcopy(model, instead)


def _put_faster_parts(module: nn.Module, instead: dict[int, object]) -> None:
    """Put into `instead`, by the id of each part of the module that has a faster form, that form."""
    for name, part in module.named_children():
        if isinstance(part, Attention) and name == "attention" and can_be_joined(part):
            instead[id(part)] = JoinedAttention(part)
        elif isinstance(part, Gated):
            instead[id(part)] = JoinedGated(part)
        elif isinstance(part, nn.Linear):
            instead[id(part)] = reordered_linear(part)
        elif isinstance(part, Head):
            instead[id(part)] = ReorderedHead(part)
        elif isinstance(part, Norm):  # takes its statistics in float32: weights widened once, not in each step
            instead |= {id(weight): nn.Parameter(weight.detach().float(), requires_grad=False) for weight in part.parameters()}
        else:
            _put_faster_parts(part, instead)


def can_be_joined(attention: Attention) -> bool:
    """Return whether queries and keys are made alike, but for their number."""
    return not isinstance(attention.query_norm, Norm) and attention.distance_scores is None


def reordered_linear(linear: nn.Linear) -> ReorderedLinear:
    """Return the layer with its matrix reordered."""
    return ReorderedLinear(linear.weight, linear.bias)


def joined(linears: Sequence[nn.Linear]) -> ReorderedLinear:
    """Return one layer whose result is that of all, side by side."""
    biases: list[Tensor] = [linear.bias for linear in linears if linear.bias is not None]
    return ReorderedLinear(torch.cat([linear.weight for linear in linears]), torch.cat(biases) if biases else None)
