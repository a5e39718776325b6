"""The held-out losses of a ladder's runs over the shares of their schedules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundup.core.errors import DataError
from groundup.ladder.band.law import Expectation, Floats, expect
from groundup.ladder.points import Point, Scored


@dataclass(frozen=True)
class Curves:
    """One curve a run: losses at rising shares of its tokens."""

    names: tuple[str, ...]
    params: Floats
    tokens: Floats
    shares: tuple[Floats, ...]
    losses: tuple[Floats, ...]
    start: float
    """The share from which on every run was scored, and out of its warm-up."""

    @classmethod
    def of(cls, points: Sequence[Point], scored: Sequence[Scored]) -> "Curves":
        """Return the curves of the points; raise DataError if a run has none after its warm-up."""
        shares, losses, starts = [], [], []
        for point in points:
            rows = sorted((row for row in scored if row.run_id == point.run_id), key=lambda row: row.step)
            rates = [row.learning_rate for row in rows]
            after = rows[rates.index(max(rates)) :] if rows else []
            if len(after) < 2:
                raise DataError(
                    f"run {point.run_id}: fewer than two held-out scores after its warm-up; raise evaluations of the ladder"
                )
            shares.append(np.array([row.tokens / point.tokens for row in rows]))
            losses.append(np.array([row.loss for row in rows]))
            starts.append(after[0].tokens / point.tokens)
        return cls(
            tuple(point.run_id for point in points),
            np.array([float(point.params) for point in points]),
            np.array([float(point.tokens) for point in points]),
            tuple(shares),
            tuple(losses),
            max(starts),
        )

    def at(self, share: float) -> Floats:
        """Return each run's loss at the share of its tokens, between evaluations on a line over the logarithm."""
        return np.array(
            [np.interp(np.log(share), np.log(mine), losses) for mine, losses in zip(self.shares, self.losses, strict=True)]
        )

    def expect(self, share: float, params: float, tokens: float) -> Expectation:
        """Return what the runs say of another one at the same share."""
        return expect(self.params, self.tokens, self.at(share), params, tokens)
