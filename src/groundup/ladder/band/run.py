"""Make the band of a run from the curves of its ladder."""

from pathlib import Path

import numpy as np

from groundup.artifacts.band import BAND_FILE, BandFacts, BandPoint
from groundup.artifacts.build import Job, Outcome
from groundup.core.errors import DataError
from groundup.core.files import read_object, write_json
from groundup.core.log import say
from groundup.ladder.band.config import BandConfig
from groundup.ladder.band.curves import Curves
from groundup.ladder.band.law import MIN_RUNS, Expectation, expect
from groundup.ladder.points import CURVES_FILE, RUNS_FILE, read_curves, read_points
from groundup.ladder.sweep import LADDER_FILE
from groundup.train.hooks.watch_picture import write as write_picture

PICTURE_FILE = "band.svg"
VALIDATION_FILE = "validation.json"
NUM_POINTS = 40
LEVELS = (80, 95)
LOUD_RATIO = 100.0
"""FLOPs of the run over those of the largest rung beyond which its band is said to be a guess."""


def run(config: BandConfig, job: Job) -> Outcome:
    """Write band.json, band.svg and validation.json.

    Raises DataError if the ladder has too few runs, or all of one size or one length.
    """
    ladder = Path(config.ladder)
    points, facts = read_points(ladder / RUNS_FILE), read_object(ladder / LADDER_FILE)
    curves = Curves.of(points, read_curves(ladder / CURVES_FILE))
    check_enough(curves, ladder)
    ratio = config.flops / max(point.flops for point in points)
    if ratio > LOUD_RATIO:
        say(
            f"  the run has {ratio:,.0f} times the FLOPs of the largest rung: beyond {LOUD_RATIO:.0f} times the band is a guess; "
            "add larger rungs",
            style="bold yellow",
        )
    band = BandFacts(
        params=config.params,
        tokens=config.tokens,
        vocab_size=facts["vocab_size"],
        tokenizer=facts["tokenizer"],
        held_out=facts["held_out"],
        held_out_tokens=facts["ladder"]["held_out_tokens"],
        held_out_targets=facts["held_out_targets"],
        shards=facts["shards"],
        runs=len(points),
        flops_ratio=ratio,
        points=band_points(curves, config.params, config.tokens),
    )
    checked = leave_largest_out(curves)
    write_json(job.out / BAND_FILE, band.model_dump(mode="json"))
    write_json(job.out / VALIDATION_FILE, checked)
    write_picture(job.out / PICTURE_FILE, band, ())
    last = band.points[-1]
    say(f"  at the end {last.loss:.4f} nats a token, {last.low_95:.4f} to {last.high_95:.4f} in 95 of 100 cases")
    say(f"  without the largest rung, its loss is predicted as {checked['predicted']:.4f}; it is {checked['loss']:.4f}")
    return Outcome(counts={"params": config.params, "tokens": config.tokens, "runs": len(points)})


def check_enough(curves: Curves, ladder: Path) -> None:
    """Raise DataError if the runs cannot tell what size and length do."""
    if len(curves.params) < MIN_RUNS:
        raise DataError(
            f"{ladder}: {len(curves.params)} finished runs; a band takes {MIN_RUNS} or more: add widths or "
            "tokens_per_param to the ladder"
        )
    for what, values, key in (("size", curves.params, "widths"), ("number of tokens", curves.tokens, "tokens_per_param")):
        if len(np.unique(values)) < 2:
            raise DataError(
                f"{ladder}: all runs have one {what}, so nothing tells what it does to the loss; add {key} to the ladder"
            )


def band_points(curves: Curves, params: int, tokens: int) -> tuple[BandPoint, ...]:
    """Return the band: at each share of the schedule that all runs were scored at, after the warm-up of all of them."""
    shares = np.geomspace(curves.start, 1.0, NUM_POINTS)
    return tuple(_point(curves.expect(share, params, tokens), round(share * tokens)) for share in shares)


def _point(found: Expectation, tokens: int) -> BandPoint:
    bounds = {
        f"{end}_{level}": found.quantile(0.5 + sign * level / 200) for level in LEVELS for end, sign in (("low", -1), ("high", 1))
    }
    return BandPoint(tokens=tokens, loss=found.quantile(0.5), **bounds)


def leave_largest_out(curves: Curves) -> dict[str, float | str]:
    """Return what the other runs say of the end of the run of the most FLOPs, and what it was."""
    largest = int(np.argmax(curves.params * curves.tokens))
    others = np.arange(len(curves.params)) != largest
    losses = curves.at(1.0)
    found = expect(curves.params[others], curves.tokens[others], losses[others], curves.params[largest], curves.tokens[largest])
    predicted = found.quantile(0.5)
    return {
        "run_id": curves.names[largest],
        "loss": float(losses[largest]),
        "predicted": predicted,
        "low_95": found.quantile(0.025),
        "high_95": found.quantile(0.975),
        "error": predicted / float(losses[largest]) - 1,
    }
