"""From a recipe to its rungs: shapes, learning rates, schedules, and what is refused."""

import math
from typing import Any

import pytest
import yaml

from groundup.core.errors import ConfigError
from groundup.estimate.parameters import total_parameters
from groundup.ladder.config import LadderConfig, read_ladder
from groundup.ladder.rungs import Rung, automatic, find_target, make_rungs
from groundup.ladder.transfer import size_at
from groundup.nn.presets.config import presets
from groundup.plan.config import SizeConfig
from groundup.plan.shapes import default_layers, shape
from groundup.recipe import Recipe
from groundup.train.optim.config import LEARNING_RATE_WIDTH

VOCAB = 2048
SMALL = LadderConfig(widths=(64, 128), tokens_per_param=(5.0, 10.0))


def recipe(model: dict[str, Any] | None = None, **pretrain: Any) -> Recipe:
    data = {
        "name": "target",
        "model": {"dim": 256, "num_layers": 4} if model is None else model,
        "budget": {"tokens": 80_000_000},
        "curate": {"sources": [{"name": "own", "path": "/texts"}]},
        "tokenizer": {"vocab_size": VOCAB},
        "pretrain": {"seq_len": 128, "batch_tokens": 2048, **pretrain},
    }
    return Recipe.parse(data, "test")


def by_name(rungs: list[Rung]) -> dict[str, Rung]:
    return {rung.name: rung for rung in rungs}


def test_a_rung_is_a_run_of_its_own_that_ends_its_own_schedule() -> None:
    rungs = make_rungs(recipe(), SMALL, VOCAB)
    assert [rung.name for rung in rungs] == ["d64x2-t5", "d64x2-t10", "d128x2-t5", "d128x2-t10"]
    assert [rung.flops for rung in rungs] == sorted(rung.flops for rung in rungs)
    for rung, ratio in zip(rungs, (5, 10, 5, 10), strict=True):
        assert rung.params == total_parameters(rung.model)
        assert rung.tokens == pytest.approx(ratio * rung.params, rel=0.02)
        train = rung.recipe.pretrain
        assert (train.steps, rung.recipe.budget, rung.recipe.until) == (rung.steps, None, "pretrain")
        assert train.schedule == recipe().pretrain.schedule
        assert (train.evaluate.every, train.evaluate.max_tokens) == (rung.steps // SMALL.evaluations, SMALL.held_out_tokens)
        assert Recipe.parse(yaml.safe_load(yaml.safe_dump(rung.recipe.resolved())), "again") == rung.recipe


def test_shapes_are_those_of_the_family_of_plans() -> None:
    for rung in make_rungs(recipe(), SMALL, VOCAB):
        dim = rung.model.dim
        assert rung.model == shape(SizeConfig(dim=dim, num_layers=default_layers(dim)), dim, default_layers(dim), VOCAB, 128)


def test_what_a_recipe_says_of_its_shape_keeps_its_proportions() -> None:
    size = SizeConfig(dim=512, num_layers=12, num_heads=8, num_kv_heads=2, ffn_dim=1024)
    small = size_at(size, 256, None)
    assert (small.num_layers, small.num_heads, small.num_kv_heads, small.ffn_dim) == (6, 4, 1, 512)
    assert size_at(size, 256, 3).num_layers == 3
    fixed = size_at(SizeConfig(dim=512, num_layers=8, head_dim=64), 128, None)
    assert (fixed.head_dim, fixed.num_heads) == (64, None)
    preset = size_at(SizeConfig.model_validate({"preset": "gpt2"}), 192, None)
    assert (preset.preset, preset.num_layers, preset.num_heads) == (None, 3, 3)


def test_a_rate_that_is_left_open_follows_the_rule_of_the_project() -> None:
    for rung in make_rungs(recipe(), SMALL, VOCAB):
        assert rung.learning_rate == LEARNING_RATE_WIDTH / rung.model.dim


@pytest.mark.parametrize(
    ("optimizer", "init", "factor"),
    [
        ({"learning_rate": 2e-3}, "gpt2", 4.0),
        ({"name": "lion", "learning_rate": 2e-3}, "gpt2", 4.0),
        ({"name": "adafactor", "learning_rate": 0.5}, "gpt2", 1.0),
        ({"name": "muon", "rate_adjustment": "original", "learning_rate": 2e-3}, "gpt2", 1.0),
        ({"learning_rate": 2e-3}, "mup", 1.0),
    ],
)
def test_a_rate_that_is_said_is_scaled_as_the_rule_is(optimizer: dict[str, Any], init: str, factor: float) -> None:
    model = {"dim": 256, "num_layers": 4, "init": init}
    rungs = by_name(make_rungs(recipe(model, optimizer=optimizer), SMALL, VOCAB))
    assert rungs["d64x2-t5"].learning_rate == pytest.approx(factor * optimizer["learning_rate"])


def test_adamw_beside_muon_has_its_own_rate() -> None:
    optimizer = {"name": "muon", "rate_adjustment": "original", "learning_rate": 0.02, "adamw_learning_rate": 1e-3}
    rung = by_name(make_rungs(recipe(optimizer=optimizer), SMALL, VOCAB))["d64x2-t5"]
    found = rung.recipe.pretrain.optimizer
    assert (found.learning_rate, found.adamw_learning_rate) == (pytest.approx(0.02), pytest.approx(4e-3))


def test_what_is_said_in_steps_takes_the_same_share() -> None:
    target = recipe(schedule={"warmup_steps": 400})
    steps = find_target(target, VOCAB).steps  # type: ignore[union-attr]
    for rung in make_rungs(target, SMALL, VOCAB):
        warmup = rung.recipe.pretrain.schedule.warmup_steps
        assert warmup is not None
        assert warmup == pytest.approx(400 * rung.steps / steps, abs=1)


def test_a_batch_grows_with_the_tokens_where_it_is_asked_to() -> None:
    ladder = SMALL.model_copy(update={"batch_exponent": 0.5})
    for rung in make_rungs(recipe(), ladder, VOCAB):
        rows = rung.recipe.pretrain.batch_sequences
        assert rows == max(1, round(16 * math.sqrt(rung.params * float(rung.name.split("-t")[1]) / 79_998_976)))


def test_runs_above_the_share_are_left_out_and_runs_as_large_as_the_target_refused() -> None:
    target = find_target(recipe(), VOCAB)
    assert target is not None
    wide = LadderConfig(widths=(64, 128, 256), tokens_per_param=(5.0, 10.0, 40.0), max_share=0.1)
    assert all(rung.flops <= 0.1 * target.flops for rung in make_rungs(recipe(), wide, VOCAB))
    with pytest.raises(ConfigError, match=r"d256x4-t5 is no smaller than the target.*max_share=0\.1"):
        make_rungs(recipe(), wide.model_copy(update={"max_share": 1.0}), VOCAB)


def test_runs_that_are_too_short_to_tell_are_left_out() -> None:
    rungs = make_rungs(recipe(), SMALL.model_copy(update={"min_tokens": 3_000_000}), VOCAB)
    assert [rung.name for rung in rungs] == ["d128x2-t5", "d128x2-t10"]


def test_the_derived_ladder_is_below_the_target() -> None:
    target = find_target(recipe(), VOCAB)
    assert target is not None
    ladder = automatic(target)
    rungs = make_rungs(recipe(), ladder, VOCAB)
    assert len(rungs) >= 8
    assert max(rung.flops for rung in rungs) <= 0.1 * target.flops
    assert len({rung.model.dim for rung in rungs}) >= 3


@pytest.mark.parametrize(
    ("pretrain", "ladder", "words"),
    [
        ({}, {"widths": (64,), "tokens_per_param": (5.0,)}, "1 run is left of 1, and a trend needs 2"),
        ({}, {"tokens_per_param": (0.001, 0.01)}, "20 are the least that say anything"),
        ({"batch_ramp": {"start_tokens": 1024, "over_tokens": 20480}}, {}, r"pretrain\.batch_ramp is of one length of run"),
        ({"lengths": [{"seq_len": 64, "until_tokens": 4096}]}, {}, "lengths with until_tokens is of one length"),
    ],
)
def test_impossible_ladders(pretrain: dict[str, Any], ladder: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_rungs(recipe(**pretrain), SMALL.model_copy(update=ladder), VOCAB)


def test_what_is_relative_to_a_target_needs_one() -> None:
    data = {**recipe().resolved(), "budget": {"minutes": 5}, "model": {}}
    open_size = Recipe.parse(data, "test")
    assert len(make_rungs(open_size, SMALL, VOCAB)) == 4
    with pytest.raises(ConfigError, match="it says none"):
        automatic(find_target(open_size, VOCAB))
    with pytest.raises(ConfigError, match=r"batch_exponent=0\.5 is relative"):
        make_rungs(open_size, SMALL.model_copy(update={"batch_exponent": 0.5}), VOCAB)
    for pretrain, words in (
        ({"optimizer": {"learning_rate": 1e-3}}, "learning_rate=0.001 is of one width"),
        ({"schedule": {"warmup_steps": 10}}, "warmup_steps=10 is of one length"),
    ):
        with pytest.raises(ConfigError, match=words):
            make_rungs(Recipe.parse({**data, "pretrain": {**data["pretrain"], **pretrain}}, "test"), SMALL, VOCAB)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["64,128"], "write it as KEY=VALUE"),
        (["widths=64", "widths=128"], "'widths' stands there twice"),
        (["widht=64", "tokens_per_param=5"], "did you mean 'widths'"),
        (["widths=64,64", "tokens_per_param=5"], "they should differ"),
        (["widths=64", "layers=2,3", "tokens_per_param=5"], "2 depths for 1 widths"),
        (["widths=[", "tokens_per_param=5"], "neither a number nor a list"),
        (["widths=-64,64", "tokens_per_param=5"], "lie above 0"),
        (["tokens_per_param=5"], "'widths' is required"),
    ],
)
def test_ladders_that_say_none(items: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        read_ladder(items)


def test_a_ladder_as_it_is_typed() -> None:
    assert read_ladder(["widths=64,128", "tokens_per_param=5,10", "max_share=0.1"]) == SMALL.model_copy(update={"max_share": 0.1})
    assert read_ladder(["auto"]) is None


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_published_model_has_small_ones(name: str) -> None:
    size = SizeConfig.model_validate({"preset": name})
    for dim in (64, 96, 160):
        small = size_at(size, dim, None)
        assert total_parameters(shape(small, dim, small.num_layers or 0, VOCAB, 64)) < total_parameters(presets()[name].config)
