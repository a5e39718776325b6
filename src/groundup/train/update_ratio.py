"""How far an update moves the weights."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from groundup.train.ranks import ALONE, Ranks

ENTRIES = 1 << 12
"""Of each tensor, at most, that are looked at."""


class UpdateRatio:
    """Measures |change| / |weights| of an update: norms over all parameters together, weights being those before it.

    Of a large tensor, evenly spaced entries stand for all, each for as many as there are to one: then no copy of the weights is
    needed. With 4,096 of each tensor the estimate was off by less than 0.5 % at 12 M parameters. Of many processes each looks at
    what it holds, and a part that several hold counts once.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], ranks: Ranks = ALONE) -> None:
        self._ranks = ranks
        held = [(weight, *ranks.own(weight.detach())) for weight in parameters]
        self._parameters = [(weight, _stride(part)) for weight, part, _ in held if part.numel()]
        each = [(part.numel(), copies) for _, part, copies in held if part.numel()]
        seen = [-(-total // stride) for (total, _), (_, stride) in zip(each, self._parameters, strict=True)]
        stands_for = [total / looked_at / copies for (total, copies), looked_at in zip(each, seen, strict=True)]
        self._scale = torch.tensor(stands_for, dtype=torch.float32).sqrt().repeat_interleave(torch.tensor(seen, dtype=torch.int64))

    def of(self, update: Callable[[], None]) -> float:
        """Carry out the update and return the ratio."""
        before = self._entries()
        update()
        change = self._entries().sub_(before)
        scale = self._scale = self._scale.to(before.device)
        squares = torch.tensor([_squares(change, scale), _squares(before, scale)], dtype=torch.float64)
        changed, there = self._ranks.total(squares).tolist()
        return math.sqrt(changed / max(there, 1e-30))

    def _entries(self) -> Tensor:
        parts = ((self._ranks.own(weight.detach())[0], stride) for weight, stride in self._parameters)
        found = [part.reshape(-1)[::stride].float() for part, stride in parts]
        return torch.cat(found) if found else torch.zeros(0)


def _stride(weight: Tensor) -> int:
    """Return the distance of the entries that are looked at: one that meets every column of a matrix."""
    stride = -(-weight.numel() // ENTRIES)
    while math.gcd(stride, weight.shape[-1] if weight.ndim else 1) > 1:
        stride += 1
    return stride


def _squares(values: Tensor, scale: Tensor) -> float:
    return values.mul(scale).square_().sum().item()
