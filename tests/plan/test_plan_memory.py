"""The answer to what one device holds: fits, the nearest settings, words and errors."""

import json
import subprocess
import sys
from typing import Any

import pytest

from groundup.core.errors import ConfigError
from groundup.plan.memory import Planned, plan_memory, render
from groundup.recipe import SHIPPED, load_recipe

LLAMA: dict[str, Any] = {"seq_len": 8192, "dp": 8, "zero": 3, "micro_batch": 2, "recompute": "selective"}


def planned(file: str) -> Planned:
    recipe = load_recipe(SHIPPED / file)
    return Planned(recipe.name, recipe.plan_config(), recipe.tokenizer.vocab_size, recipe.planned_layout())


def test_nearest_settings_fit_and_each_changes_one_thing() -> None:
    found = plan_memory("llama3-8b", hardware="a100", **LLAMA)
    assert found.fits is False
    assert {"micro_batch": 1} in [way.settings for way in found.ways]
    for way in found.ways:
        again = plan_memory("llama3-8b", hardware="a100", **{**LLAMA, **way.settings})
        assert again.fits is True
        assert again.memory.total == way.total
        assert again.question.layout.world_size == way.devices


def test_where_no_change_alone_is_enough_several_are_named() -> None:
    found = plan_memory("llama3-70b", hardware="a100", dp=8)
    assert found.fits is False
    assert found.ways
    assert all(way.settings["recompute"] == "full" for way in found.ways)


def test_a_batch_that_is_too_large_is_halved() -> None:
    found = plan_memory("llama3-8b", hardware="rtx-4090", generating=(16, 8192), precision="int8")
    assert found.fits is False
    assert [way.settings for way in found.ways] == [{"batch": 8}, {"tp": 2}]


def test_fits_is_unknown_without_a_device_and_true_on_a_large_one() -> None:
    assert plan_memory("gpt2").fits is None
    assert plan_memory("gpt2", device_bytes="80GiB").fits is True


def test_explained_terms_add_up_and_name_their_numbers() -> None:
    found = plan_memory("llama3-8b", **LLAMA)
    told = found.as_json(explain=True)
    for line, size in told["per_device"].items():
        if line != "total":
            assert size == sum(term["num_bytes"] for term in told["terms"] if term["line"] == line and term["place"] == "device")
    text = render(found, explain=True)
    assert "8,030,261,248 parameters x 4 B / 8 ranks" in text
    assert "GB" in text
    assert "GiB" in text
    assert "slip of arithmetic" in text
    assert found.rules_of_thumb == {
        name: size * 8_030_261_248 for name, size in (("weights_4B", 4), ("states_16B", 16), ("course_24B", 24))
    }


def test_a_recipe_is_counted_as_groundup_trains_it() -> None:
    recipe = planned("decoder_clm.yaml")
    found = plan_memory(recipe=recipe, precision="fp32")
    assert found.memory.software == "groundup"
    assert found.question.seq_len == recipe.config.pretrain.seq_len
    assert found.memory.lines["weights"] == 4 * found.params


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tp": 3}, "tp=3 does not divide the 32 heads; the nearest below that does is 2"),
        ({"pp": 40}, "set pp to 32 at most"),
        ({"cp": 3}, "cp=3 does not divide the 8,192 tokens"),
        ({"precision": "bf17"}, "did you mean 'bf16'"),
        ({"optimizer": "adamv"}, "did you mean 'adam"),
        ({"software": "megatorn"}, "did you mean 'megatron'"),
        ({"target_len": 5}, "no effect on a model with one stack"),
        ({"selective": "attention"}, "set --recompute selective"),
        ({"gradients": "fp32", "precision": "fp32"}, "no effect"),
        ({"generating": (1, 10), "dp": 4}, "without effect with --inference"),
        ({"generating": (1, 10), "precision": "bf16_weights"}, "did you mean 'bf16'"),
        ({"hardware": "h100", "device_bytes": 5}, "leave one out"),
        ({"device_bytes": 0}, "holds nothing"),
        ({"device_bytes": "many"}, "is no size"),
        ({"micro_bach": 1}, "did you mean 'micro_batch'"),
    ],
)
def test_what_cannot_be_is_said_with_the_way_out(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", "\\(")):
        plan_memory("llama3-8b", **{"seq_len": 8192, **settings} if "generating" not in settings else settings)


def test_model_or_recipe_and_generators_only() -> None:
    with pytest.raises(ConfigError, match="say either --model NAME"):
        plan_memory()
    with pytest.raises(ConfigError, match="an encoder generates nothing"):
        plan_memory("bert-base", generating=(1, None))
    with pytest.raises(ConfigError, match="leaves the size to the plan"):
        plan_memory(recipe=planned("demo_cpu.yaml"))


def test_the_command_answers_without_torch() -> None:
    words = "plan memory --model llama3-8b --dp 8 --zero 3 --recompute selective --micro-batch 2 --hardware h100 --json"
    code = f"import sys; sys.argv = ['groundup', *{words.split()!r}]\nfrom groundup.cli import app\n"
    code += "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    lines = {
        "weights",
        "gradients",
        "master_weights",
        "optimizer",
        "activations",
        "logits",
        "gathered",
        "buffers",
        "margin",
        "total",
    }
    assert set(told["per_device"]) == lines
    assert told["fits"] is (told["per_device"]["total"] <= told["device_bytes"])
