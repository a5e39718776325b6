"""The blocks of a model, run in another way than they are written."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import MethodType
from typing import Any

from torch import nn

from groundup.nn.block import Block, ReadingBlock

Forward = Callable[..., Any]
"""(block, stream, ...) -> stream: what a class of blocks does."""
Way = Callable[[Forward], Forward]
"""From what blocks do to another way of doing it; the same for the same forward, so that all blocks of a kind share it."""


class BlockWays:
    """The blocks of a model, run in other ways inside `active()` and as they are written outside of it.

    Evaluation and generation, which stand outside, never meet a compiler or a recomputation.
    """

    def __init__(self, model: nn.Module, ways: Sequence[Way]) -> None:
        """Take the ways one around the other, the first innermost."""
        self._blocks = [block for block in model.modules() if isinstance(block, (Block, ReadingBlock))]
        self._ways = tuple(ways)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Run the blocks in these ways."""
        for block in self._blocks if self._ways else ():
            forward: Forward = type(block).forward
            for way in self._ways:
                forward = way(forward)
            setattr(block, "forward", MethodType(forward, block))  # noqa: B010  to a type checker a method stays
        try:
            yield
        finally:
            for block in self._blocks if self._ways else ():
                delattr(block, "forward")
