from typing import Any

import pytest

import models
from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.optim.config import DEFAULTS, OptimizerConfig, OptimizerName
from groundup.train.optim.table import OPTIMIZERS

EXAMPLES: dict[str, Any] = {
    "weight_decay": 0.2,
    "decayed": ["norms"],
    "beta1": 0.8,
    "beta2": 0.9,
    "eps": 1e-6,
    "momentum_precision": "fp32",
    "momentum": 0.9,
    "nesterov": False,
    "newton_schulz_steps": 3,
    "newton_schulz_precision": "fp32",
    "rate_adjustment": "original",
    "adamw_learning_rate": 0.1,
    "relative_step": False,
    "scale_parameter": False,
    "min_scale": 1e-2,
    "clip_threshold": 2.0,
    "decay_rate": 0.5,
}


def test_every_key_has_its_optimizers() -> None:
    assert set(DEFAULTS) == set(EXAMPLES) == set(OptimizerConfig.model_fields) - {"name", "learning_rate"}


@pytest.mark.parametrize("key", EXAMPLES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_key_acts_or_is_refused(name: OptimizerName, key: str) -> None:
    given = {"name": name, key: EXAMPLES[key]}
    if name in DEFAULTS[key]:
        value = getattr(OptimizerConfig.parse(given, "recipe.yaml"), key)
        assert value == (tuple(EXAMPLES[key]) if key == "decayed" else EXAMPLES[key])
        return
    with pytest.raises(ConfigError, match=f"recipe.yaml: .*{key}=.* has no effect with name='{name}'") as caught:
        OptimizerConfig.parse(given, "recipe.yaml")
    assert all(repr(owner) in str(caught.value) for owner in DEFAULTS[key])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_written_can_be_read_again(name: OptimizerName) -> None:
    config = TrainConfig.parse({"optimizer": {"name": name}}, "test")
    written = config.model_dump(mode="json")
    assert TrainConfig.parse(written, "again") == config
    acting = {key for key, value in written["optimizer"].items() if value is not None}
    assert acting == {"name"} | {key for key, defaults in DEFAULTS.items() if defaults.get(name) is not None}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_null_is_the_default(name: OptimizerName) -> None:
    assert OptimizerConfig.parse({"name": name, **dict.fromkeys(DEFAULTS)}, "test") == OptimizerConfig(name=name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "sgd"}, "'name': Input should be 'adam', 'adamw', 'adafactor', 'muon' or 'lion'"),
        ({"name": ["adam"]}, "'name': Input should be"),
        ({"decayed": []}, "'decayed': Tuple should have at least 1 item"),
        (
            {"name": "adafactor", "scale_parameter": False, "min_scale": 0.1},
            "min_scale=0.1 has no effect with scale_parameter=false",
        ),
        ({"name": "adafactor", "momentum_precision": "bf16"}, "momentum_precision=bf16 has no effect with beta1=0"),
        ({"beta3": 1}, "unknown key 'beta3'; did you mean 'beta"),
    ],
)
def test_impossible_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OptimizerConfig.parse(given, "test")
    assert message in str(caught.value)


def test_two_bounds_of_the_gradient_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"clip_norm=1\.0 and clip_value=0\.5 both bound the gradient; leave one of them out"):
        TrainConfig.parse({"clip_norm": 1.0, "clip_value": 0.5}, "test")


@pytest.mark.parametrize(
    ("given", "at_192", "at_768"),
    [
        ({}, 0.5 / 192, 0.5 / 768),
        ({"name": "adam"}, 0.5 / 192, 0.5 / 768),
        ({"name": "muon"}, 0.5 / 192, 0.5 / 768),
        ({"name": "muon", "rate_adjustment": "original"}, 0.02, 0.02),
        ({"name": "lion"}, 0.1 / 192, 0.1 / 768),
        ({"name": "adafactor"}, 1.0, 1.0),
        ({"name": "adafactor", "relative_step": False}, 0.01, 0.01),
        ({"name": "adafactor", "relative_step": False, "scale_parameter": False}, 0.5 / 192, 0.5 / 768),
        ({"name": "lion", "learning_rate": 1e-3}, 1e-3, 1e-3),
    ],
)
def test_learning_rate_left_open(given: dict[str, Any], at_192: float, at_768: float) -> None:
    config = OptimizerConfig.parse(given, "test")
    assert config.peak(models.small_config(dim=192)) == pytest.approx(at_192)
    assert config.peak(models.small_config(dim=768)) == pytest.approx(at_768)


def test_a_plan_knows_the_optimizer_and_what_decides_its_size() -> None:
    given = {"name": "muon", "momentum_precision": "bf16", "learning_rate": 0.1, "momentum": 0.9, "newton_schulz_steps": 3}
    sized = TrainConfig.parse({"optimizer": given, "clip_value": 0.1}, "test").sized()
    assert sized.optimizer == OptimizerConfig(name="muon", momentum_precision="bf16", newton_schulz_steps=3)
    assert (sized.clip_norm, sized.clip_value) == (1.0, None)
    assert TrainConfig.parse(sized.model_dump(mode="json"), "again") == sized
