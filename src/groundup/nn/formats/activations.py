"""How Hugging Face names the bend of a feed-forward layer."""

from typing import Final

from groundup.nn.config import FeedForwardName

PLAIN: Final[dict[str, FeedForwardName]] = {
    "gelu_new": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "relu2": "relu_squared",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "swish": "silu",
}
"""Of layers with two matrices; the first name of each of ours is the one that is written."""
GATED: Final[dict[str, FeedForwardName]] = {
    "silu": "swiglu",
    "gelu": "geglu",
    "gelu_pytorch_tanh": "geglu_tanh",
    "relu": "reglu",
    "gelu_new": "geglu_tanh",
    "swish": "swiglu",
}
"""Of gated layers."""


def name_of(feed_forward: FeedForwardName, names: dict[str, FeedForwardName]) -> str:
    """Return the name that is written for one of ours; KeyError if there is none."""
    written: dict[FeedForwardName, str] = {}
    for name, ours in names.items():
        written.setdefault(ours, name)
    return written[feed_forward]
