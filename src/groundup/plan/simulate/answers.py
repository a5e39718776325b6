"""Answers to what a step asks of its data, where there are none."""

from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_PUT: Final = frozenset({_aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default})


class Answers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Says of numbers that fake tensors do not have: a count is that of the predicted places, a float 1, a truth true.

    What a mask picks is as long as that count. A piece of a row of whole numbers, cut from a range, is the place that it begins at:
    the number of a micro-batch in a pipeline.
    """

    def __init__(self, count: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _aten._local_scalar_dense.default:
            return self._number(args[0])
        if func is _aten.index.Tensor and _is_mask(args[1]):
            picked, (mask,) = args
            return picked.new_empty((self._count, *picked.shape[mask.ndim :]))
        if func in _PUT and _is_mask(args[1]):
            return args[0] if func is not _aten.index_put.default else torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))

    def _number(self, tensor: Tensor) -> bool | int | float:
        if tensor.dtype is torch.bool:
            return True
        if tensor.dtype.is_floating_point:
            return 1.0
        return int(tensor.storage_offset()) if tensor.ndim else self._count


def _is_mask(indices: Any) -> bool:
    return len(indices) == 1 and isinstance(indices[0], Tensor) and indices[0].dtype is torch.bool
