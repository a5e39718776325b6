"""How long collectives take: bytes over the bandwidth of the links that a group of ranks spans, with the ring's steps."""

import numpy as np

from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.grid import Floats, Ints
from groundup.estimate.layout.priors import HOP_S, LINK_SHARE


class Links:
    """Groups of `size` ranks that are `stride` apart, ranks being numbered node by node."""

    def __init__(self, hardware: Hardware, size: Ints, stride: Ints) -> None:
        node = hardware.devices_per_node
        self.size = size
        self.in_node = np.clip(node // stride, 1, size)
        """Ranks of a group that share a node."""
        self.nodes = -(-size // self.in_node)
        inter = np.minimum(hardware.intra_node_bytes_per_s, self.in_node * hardware.inter_node_bytes_per_s)
        self.bytes_per_s: Floats = LINK_SHARE * np.where(self.nodes == 1, hardware.intra_node_bytes_per_s, inter)
        """Of the group: all of its ranks in a node drive their shares of the network at once."""

    def gather_s(self, gathered_bytes: Floats | float, calls: Ints | Floats | int = 1) -> Floats:
        """Return the time to gather, or to reduce and scatter, that many bytes in so many collectives: a ring's n - 1 steps."""
        parts = (self.size - 1) / self.size
        between = np.where(self.nodes > 1, self.nodes, 0)
        hops = (self.size - self.nodes) * HOP_S["intra"] + between * HOP_S["inter"]
        return np.where(self.size > 1, parts * gathered_bytes / self.bytes_per_s + calls * hops, 0.0)

    def reduce_s(self, reduced_bytes: Floats | float, calls: Ints | Floats | int = 1) -> Floats:
        """Return the time of all-reduces: reduce and scatter, then gather."""
        return 2 * self.gather_s(reduced_bytes, calls)

    def send_s(self, sent_bytes: Floats | float) -> Floats:
        """Return the time to pass bytes on to the next rank of the group; the slowest of its links counts."""
        hop = np.where(self.nodes > 1, HOP_S["inter"], HOP_S["intra"])
        return np.where(self.size > 1, sent_bytes / self._one_link() + hop, 0.0)

    def _one_link(self) -> Floats:
        return self.bytes_per_s / np.where(self.nodes > 1, self.in_node, 1)
