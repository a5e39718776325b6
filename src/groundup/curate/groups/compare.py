"""How surely a stage takes out more of the documents that name a group than of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from groundup.curate.groups.tally import GroupFlow

Z = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""


@dataclass(frozen=True)
class Difference:
    """The share that was dropped of those that name the group, less the share of the others."""

    value: float
    low: float
    high: float
    """Ends of the interval of 95 %."""
    within_sources: float
    """The same where only documents of one source are compared with each other."""


def wilson(part: int, whole: int, z: float = Z) -> tuple[float, float]:
    """Return the interval of a share by the score of the normal approximation (Wilson 1927); of nothing it is (0, 1)."""
    if not whole:
        return 0.0, 1.0
    share, z2 = part / whole, z * z
    middle = share + z2 / (2 * whole)
    half = z * sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    low, high = (middle - half) / (1 + z2 / whole), (middle + half) / (1 + z2 / whole)
    return max(low, 0.0) if part else 0.0, min(high, 1.0) if part < whole else 1.0


def newcombe(part: int, whole: int, other_part: int, other_whole: int, z: float = Z) -> tuple[float, float]:
    """Return the interval of the difference of two shares, from the Wilson intervals of both (Newcombe 1998, method 10)."""
    share, other = part / max(whole, 1), other_part / max(other_whole, 1)
    (low, high), (other_low, other_high) = wilson(part, whole, z), wilson(other_part, other_whole, z)
    value = share - other
    return (
        value - sqrt((share - low) ** 2 + (other_high - other) ** 2),
        value + sqrt((high - share) ** 2 + (other - other_low) ** 2),
    )


def mantel_haenszel(flows: Sequence[GroupFlow]) -> float:
    """Return the common difference of shares over strata, each weighed by m n / (m + n) of its m and n documents.

    Greenland & Robins 1985, after Mantel & Haenszel 1959. 0 if no stratum has documents of both kinds.
    """
    weights = [flow.came * flow.others_came / max(flow.came + flow.others_came, 1) for flow in flows]
    total = sum(weights)
    if not total:
        return 0.0
    return sum(weight * (_share(flow)[0] - _share(flow)[1]) for weight, flow in zip(weights, flows, strict=True)) / total


def _share(flow: GroupFlow) -> tuple[float, float]:
    return flow.dropped / max(flow.came, 1), flow.others_dropped / max(flow.others_came, 1)


def difference(flow: GroupFlow, by_source: Sequence[GroupFlow]) -> Difference | None:
    """Return how the group fares beside the others, None if no document names it or all do."""
    if not flow.came or not flow.others_came:
        return None
    share, other = _share(flow)
    low, high = newcombe(flow.dropped, flow.came, flow.others_dropped, flow.others_came)
    return Difference(share - other, low, high, mantel_haenszel(by_source))
