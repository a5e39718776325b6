"""The band: what held-out loss a run should have after each number of tokens, by small runs before it."""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from groundup.artifacts.artifact import Artifact
from groundup.core.config import Config
from groundup.core.files import read_object

BAND_FILE = "band.json"
Interval = Literal[80, 95]


class BandPoint(Config):
    """What is expected after so many tokens [nats per target]."""

    tokens: int = Field(gt=0)
    loss: float
    """The median."""
    low_80: float
    high_80: float
    low_95: float
    high_95: float


class Bounds(NamedTuple):
    """Between which losses a run should be."""

    low: float
    loss: float
    high: float


class BandFacts(Config):
    """The contents of band.json: of which run it is, what it compares with, and its points by rising tokens."""

    params: int
    tokens: int
    """Of the whole run."""
    vocab_size: int
    tokenizer: str
    """Content hash of the tokenizer."""
    held_out: str
    """Hash of the held-out tokens."""
    held_out_tokens: int
    """pretrain.evaluate.max_tokens of the small runs."""
    held_out_targets: int
    """Tokens predicted each time."""
    shards: str
    """Content hash of the text that the small runs were trained on."""
    runs: int
    flops_ratio: float
    """FLOPs of the run over those of the largest small one."""
    points: tuple[BandPoint, ...] = Field(min_length=1)

    def at(self, tokens: int, interval: Interval) -> Bounds | None:
        """Return the bounds after so many tokens, between points on a line over log(tokens); None before the first point.

        The small runs were not all scored before it, or not out of their warm-up.
        """
        points = self.points
        if tokens < points[0].tokens:
            return None
        right = min(bisect_left([point.tokens for point in points], tokens), len(points) - 1)
        left = max(right - 1, 0)
        earlier, later = points[left], points[right]
        span = log(later.tokens / earlier.tokens)
        share = min(1.0, log(tokens / earlier.tokens) / span) if span else 1.0
        names = (f"low_{interval}", "loss", f"high_{interval}")
        return Bounds(*((1 - share) * getattr(earlier, name) + share * getattr(later, name) for name in names))


@dataclass(frozen=True)
class Band(Artifact):
    """What `groundup scaling band` makes: band.json and a picture of it."""

    kind: ClassVar[str] = "band"

    @cached_property
    def facts(self) -> BandFacts:
        return BandFacts.parse(read_object(self.path / BAND_FILE), str(self.path / BAND_FILE))
