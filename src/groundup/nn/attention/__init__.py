"""Which tokens a token looks at, and how that is computed."""

from collections.abc import Callable
from typing import Final

from groundup.nn.attention.full import FULL_ATTENTION, full_attention
from groundup.nn.attention.mechanism import KernelName, Mechanism
from groundup.nn.attention.patterns import BigBird, SlidingWindow, SparseFixed, SparseStrided
from groundup.nn.attention.performer import Performer
from groundup.nn.config import AttentionName, ModelConfig

ATTENTION: Final[dict[AttentionName, Callable[[ModelConfig, KernelName], Mechanism]]] = {
    "full": full_attention,
    "sliding_window": SlidingWindow,
    "sparse_strided": SparseStrided,
    "sparse_fixed": SparseFixed,
    "big_bird": BigBird,
    "performer": Performer,
}
"""Name -> class(config, kernel of what is computed exactly and densely)."""

__all__ = ["ATTENTION", "FULL_ATTENTION", "KernelName", "Mechanism"]
