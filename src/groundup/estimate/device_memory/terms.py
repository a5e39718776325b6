"""One summand of a device's memory, with its formula."""

from typing import Literal, NamedTuple

Line = Literal[
    "weights", "gradients", "master_weights", "optimizer", "activations", "logits", "gathered", "buffers", "kv_cache", "margin"
]
Place = Literal["device", "host"]


class Term(NamedTuple):
    """So many bytes of one line, and how they come about."""

    line: Line
    num_bytes: int
    what: str
    """In words."""
    formula: str
    """With its numbers."""
    source: str = ""
    """Author and year, or the software that does so."""
    place: Place = "device"
