"""The runs of a ladder: from a recipe to one recipe a rung."""

from dataclasses import dataclass
from functools import cached_property

from groundup.core.errors import ConfigError
from groundup.core.log import say
from groundup.core.units import format_count
from groundup.estimate.flops import flops_per_token
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.ladder.config import LadderConfig
from groundup.ladder.transfer import Target, batch_at, optimizer_at, schedule_at, size_at
from groundup.nn.config import ModelConfig
from groundup.plan.config import SizeConfig
from groundup.plan.shapes import shape
from groundup.recipe import Recipe
from groundup.train.hooks.config import HeldOutConfig
from groundup.train.objectives.config import MAX_SENTINELS
from groundup.train.objectives.lengths import anticipated, row_lengths

MIN_RUNGS = 2
MIN_STEPS = 20
"""Optimizer steps below which a run says nothing of longer ones."""
AUTO_SHARES = (0.25, 0.375, 0.5, 0.625)
"""Widths of the ladder that is derived, over the target's."""
AUTO_TOKENS = (0.5, 1.0, 2.0, 4.0)
"""Tokens per parameter, over the target's."""
AUTO_MAX_SHARE = 0.1
WIDTH_STEP = 16


@dataclass(frozen=True)
class Rung:
    """One run of the ladder."""

    name: str
    recipe: Recipe
    model: ModelConfig
    steps: int
    flops: float

    @cached_property
    def params(self) -> int:
        return total_parameters(self.model)

    @property
    def tokens(self) -> int:
        return self.steps * self.recipe.pretrain.batch_tokens

    @property
    def learning_rate(self) -> float:
        """Peak."""
        return self.recipe.pretrain.optimizer.peak(self.model)


def rows_of(recipe: Recipe) -> RowLengths:
    """Return how long the rows of the recipe's objective are."""
    train = recipe.pretrain
    return row_lengths(anticipated(train.objective, train.seq_len, recipe.model.shape, MAX_SENTINELS))


def find_target(recipe: Recipe, vocab_size: int) -> Target | None:
    """Return the run that the recipe describes; None if it leaves size or length to the budget."""
    size, train = recipe.model, recipe.pretrain
    wanted = recipe.budget.tokens if recipe.budget is not None and recipe.budget.minutes is None else None
    if size.dim is None or size.num_layers is None or (train.steps is None and wanted is None):
        return None
    model = shape(size, size.dim, size.num_layers, vocab_size, train.seq_len)
    steps = train.steps or max(1, (wanted or 0) // train.batch_tokens)
    tokens = steps * train.batch_tokens
    return Target(model, total_parameters(model), tokens, steps, tokens * flops_per_token(model, rows_of(recipe)))


def automatic(target: Target | None) -> LadderConfig:
    """Return the ladder of widths and lengths below the target's; raise ConfigError if there is no target."""
    if target is None:
        raise ConfigError(
            "--ladder auto is derived from the recipe's own size, and it says none; say model.dim, model.num_layers and "
            "pretrain.steps or budget.tokens, or the ladder: --ladder widths=64,96,128 --ladder tokens_per_param=5,10,20"
        )
    widths = {max(WIDTH_STEP, round(target.model.dim * share / WIDTH_STEP) * WIDTH_STEP) for share in AUTO_SHARES}
    lengths = tuple(float(f"{target.tokens_per_param * share:.3g}") for share in AUTO_TOKENS)
    return LadderConfig(widths=tuple(sorted(widths)), tokens_per_param=lengths, max_share=AUTO_MAX_SHARE)


def make_rungs(recipe: Recipe, ladder: LadderConfig, vocab_size: int) -> list[Rung]:
    """Return the runs, those of the fewest FLOPs first; runs above `max_share` or below `min_tokens` are left out with a word.

    Raises ConfigError if one is as large as the target, too short to say anything, or fewer than two are left.
    """
    target = find_target(recipe, vocab_size)
    depths = ladder.layers or (None,) * len(ladder.widths)
    found = [
        _rung(recipe, ladder, size_at(recipe.model, dim, layers), ratio, vocab_size, target)
        for dim, layers in zip(ladder.widths, depths, strict=True)
        for ratio in ladder.tokens_per_param
    ]
    kept = []
    for rung in sorted(found, key=lambda rung: (rung.flops, rung.name)):
        if rung.tokens < ladder.min_tokens:
            say(f"  {rung.name} is left out: {rung.tokens:,} tokens", style="dim")
            continue
        if target is not None and ladder.max_share < 1 and rung.flops > ladder.max_share * target.flops:
            say(f"  {rung.name} is left out: {rung.flops / target.flops:.1%} of the target's FLOPs", style="dim")
            continue
        _check(rung, target)
        kept.append(rung)
    if len(kept) < MIN_RUNGS:
        raise ConfigError(
            f"--ladder: {len(kept)} run{'s are' if len(kept) != 1 else ' is'} left of {len(found)}, and a trend needs "
            f"{MIN_RUNGS} or more; say more widths or tokens_per_param, raise max_share, or lower min_tokens"
        )
    return kept


def _rung(recipe: Recipe, ladder: LadderConfig, size: SizeConfig, ratio: float, vocab_size: int, target: Target | None) -> Rung:
    train = recipe.pretrain
    dim, layers = size.dim or 0, size.num_layers or 0
    model = shape(size, dim, layers, vocab_size, train.seq_len)
    tokens = ratio * total_parameters(model)
    batch = batch_at(train, ladder.batch_exponent, tokens, target)
    steps = max(1, round(tokens / batch))
    name = f"d{dim}x{layers}-t{ratio:g}"
    settings = {
        **train.model_dump(mode="json"),
        "steps": steps,
        "batch_tokens": batch,
        "micro_batch": train.micro_batch if train.micro_batch and batch // train.seq_len % train.micro_batch == 0 else None,
        "optimizer": optimizer_at(train.optimizer, model, target).model_dump(mode="json"),
        "schedule": schedule_at(train, steps, target),
        "evaluate": HeldOutConfig(every=max(1, steps // ladder.evaluations), max_tokens=ladder.held_out_tokens).model_dump(
            mode="json"
        ),
        "watch": None,
        "profile": None,
        "trackers": [],
        "checkpoint_steps": None,
        "keep_checkpoints": 1,
        "keep_every_steps": None,
    }
    data = {
        **recipe.resolved(),
        "name": f"{recipe.name}-{name}",
        "until": "pretrain",
        "budget": None,
        "model": size.model_dump(mode="json"),
        "pretrain": settings,
    }
    flops = steps * batch * flops_per_token(model, rows_of(recipe))
    return Rung(name, Recipe.parse(data, f"rung {name}"), model, steps, flops)


def _check(rung: Rung, target: Target | None) -> None:
    if rung.steps < MIN_STEPS:
        raise ConfigError(
            f"rung {rung.name}: {rung.tokens:,} tokens are {rung.steps} optimizer steps of "
            f"{rung.recipe.pretrain.batch_tokens:,}, and {MIN_STEPS} are the least that say anything; raise "
            "tokens_per_param, or lower pretrain.batch_tokens"
        )
    if target is not None and (rung.params >= target.params or rung.flops >= target.flops):
        raise ConfigError(
            f"rung {rung.name} is no smaller than the target: {format_count(rung.params)} parameters and {rung.flops:.3g} FLOPs, "
            f"the recipe's own run has {format_count(target.params)} and {target.flops:.3g}; lower widths or tokens_per_param, or "
            "say max_share=0.1 to leave such runs out"
        )
