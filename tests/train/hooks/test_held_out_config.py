import pytest

from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.hooks.config import MOST_TOKENS, SCORE_COST, HeldOutConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"enabled": False, "every": 5}, r"nothing is evaluated \(enabled=false\), so every=5 would have no effect"),
        ({"enabled": False, "prompts": ["a"]}, r"nothing is evaluated .*prompts=\('a',\)"),
        ({"sample_tokens": 9}, "there are no prompts, so sample_tokens=9 would have no effect; leave sample_tokens out"),
        ({"every": 0}, "greater than 0"),
    ],
)
def test_a_setting_without_effect_is_an_error(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.parse({"evaluate": settings}, "test")


@pytest.mark.parametrize("settings", [{}, {"enabled": False}, {"every": 7, "prompts": ["a"], "sample_tokens": 9}])
def test_what_was_written_can_be_read(settings: dict) -> None:
    config = HeldOutConfig.parse(settings, "test")
    assert HeldOutConfig.parse(config.model_dump(mode="json"), "again") == config


@pytest.mark.parametrize("steps", [1, 9, 10, 19, 1000])
@pytest.mark.parametrize("every", [None, 3])
def test_the_default_costs_two_percent_of_the_run(steps: int, every: int | None) -> None:
    config, step_tokens = HeldOutConfig(every=every), 4096
    times = len({*range(config.interval(steps), steps, config.interval(steps)), steps})
    cost = times * config.tokens(steps, step_tokens) * SCORE_COST
    assert cost <= 0.02 * steps * step_tokens
    assert cost > 0.02 * steps * step_tokens - times
    assert HeldOutConfig().tokens(10**9, step_tokens) == MOST_TOKENS


def test_what_is_scored_is_not_a_matter_of_the_plan() -> None:
    assert TrainConfig(evaluate=HeldOutConfig(every=3)).sized() == TrainConfig().sized()
