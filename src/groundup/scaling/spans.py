"""Over which runs a fit speaks."""

from groundup.artifacts.scaling_fit import Span
from groundup.scaling.points import Points


def spans_of(points: Points) -> dict[str, Span]:
    """Return least and most of each quantity."""
    return {
        name: Span(low=float(getattr(points, name).min()), high=float(getattr(points, name).max()))
        for name in ("params", "tokens", "flops", "unique_tokens", "loss")
    }
