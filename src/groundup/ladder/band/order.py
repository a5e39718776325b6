"""The order of a band: its run must be one that the ladder speaks of."""

from pathlib import Path
from typing import Any

from groundup.artifacts.band import Band
from groundup.artifacts.build import Order
from groundup.core.errors import ConfigError
from groundup.core.files import hash_file, read_object
from groundup.ladder.band.config import BandConfig
from groundup.ladder.points import CURVES_FILE, RUNS_FILE, read_points
from groundup.ladder.rungs import find_target
from groundup.ladder.sweep import LADDER_FILE, made_from
from groundup.recipe import Recipe

_FREE = {
    *("steps", "micro_batch", "evaluate", "watch", "profile", "trackers", "checkpoint_steps", "checkpoint_minutes"),
    *("keep_checkpoints", "keep_every_steps", "storage_patience_s", "preflight", "memory_cap", "recompute", "compile"),
    *("attention", "precision", "healing"),
}
"""What of pretrain may differ between a run and the recipe of its ladder."""


def order_band(ladder: Path, out: Path, recipe: Recipe | None = None) -> Order:
    """Return the order to make the band of the recipe's run (null: the ladder's own recipe).

    Raises ConfigError if the recipe does not say its size, is of other text or trained otherwise, or is no larger than the rungs.
    """
    found = read_object(ladder / LADDER_FILE)
    points = read_points(ladder / RUNS_FILE)
    own = Recipe.parse(found["recipe"], str(ladder / LADDER_FILE))
    recipe = recipe or own
    _check_alike(recipe, own, ladder)
    target = find_target(recipe, found["vocab_size"])
    if target is None:
        raise ConfigError(
            "a band is of one size and length, and the recipe leaves them to its budget; say model.dim, model.num_layers and "
            "pretrain.steps or budget.tokens"
        )
    largest = max(points, key=lambda point: point.flops)
    if target.flops <= largest.flops:
        raise ConfigError(
            f"the recipe's run has {target.flops:.3g} FLOPs, and rung {largest.run_id} has {largest.flops:.3g}: a band is of a run "
            "larger than its ladder; look at the rung itself"
        )
    config = BandConfig(ladder=str(ladder.absolute()), params=target.params, tokens=target.tokens, flops=target.flops)
    sources = {name: hash_file(ladder / name) for name in (LADDER_FILE, RUNS_FILE, CURVES_FILE)}
    return Order("ladder.band", Band.kind, out, config, recipe.seed, sources=sources)


def _check_alike(recipe: Recipe, own: Recipe, ladder: Path) -> None:
    mine, theirs = made_from(recipe), made_from(own)
    differing = [key for key in mine if mine[key] != theirs[key] and key != "seed"]
    ours, others = _training(recipe), _training(own)
    differing += [f"pretrain.{key} ({others[key]} there, {ours[key]} here)" for key in ours if ours[key] != others[key]]
    if differing:
        raise ConfigError(
            f"{ladder}: its runs were trained otherwise than this recipe's: {'; '.join(differing)}; make a ladder of this "
            "recipe, or take the recipe of the ladder"
        )


def _training(recipe: Recipe) -> dict[str, Any]:
    return recipe.pretrain.model_dump(mode="json", exclude=_FREE)
