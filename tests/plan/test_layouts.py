"""`plan layout` as it is asked."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import commands
import groundup
from groundup.core.errors import BudgetError, ConfigError
from groundup.plan.layouts import plan_layout
from groundup.report.layouts import write_picture
from groundup.train.parallel.config import Layout

LAYOUT_KEYS = {
    "dp", "tp", "pp", "cp", "zero", "sharding_factor", "micro_batch", "recompute", "offload", "memory", "step_s",
    "tokens_per_s_per_device", "mfu", "mfu_interval", "why",
}  # fmt: skip
ASKED: dict[str, Any] = {"model": "gpt2-xl", "recipe": None, "hardware": "a100-40", "devices": 8, "seq_len": 1024}
QUICK: dict[str, Any] = {**ASKED, "pinned": {"offload": "none", "cp": 1, "pp": 1}}


def test_the_keys_that_were_promised() -> None:
    answer = plan_layout(**QUICK)
    told = answer.as_json()
    assert set(told) >= {"layouts", "rejected"}
    for each in told["layouts"]:
        assert set(each) >= LAYOUT_KEYS
        assert each["dp"] * each["tp"] * each["pp"] * each["cp"] == 8
        assert sum(each["step_parts_s"].values()) == pytest.approx(each["step_s"])
    assert all(set(each) == {"layout", "because"} for each in told["rejected"])
    assert told["global_batch_sequences"] % 8 == 0
    json.dumps(told, allow_nan=False)
    text = answer.render()
    assert "25 heads do not divide" in text
    assert "1. dp=" in text
    assert isinstance(answer.best, Layout)


def test_a_recipe_is_laid_out_from_python() -> None:
    overrides = ["model.dim=512", "model.num_layers=8", "model.num_heads=8", "pretrain.seq_len=256", "pretrain.batch_tokens=16384"]
    recipe = groundup.load_recipe(Path(groundup.__file__).parent / "recipes" / "demo_cpu.yaml", overrides)
    found = groundup.plan_layout(recipe=recipe, hardware="h100", devices=4, pinned={"offload": "none"})
    assert found.search.problem.batch_sequences == 64
    assert found.best.world_size == 4


def test_a_slower_network_is_slower() -> None:
    slow, fast = (plan_layout(**{**QUICK, "devices": 32}, top=1, network_gbps=speed).search.best.step_s for speed in (10, 3200))
    assert slow > fast


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": None}, "either --model NAME"),
        ({"model": "gpt2-xll"}, "did you mean 'gpt2-xl'"),
        ({"hardware": "a100-88"}, "did you mean"),
        ({"devices": 0}, "--devices 0: a training needs at least one"),
        ({"devices": -4}, "--devices -4"),
        ({"top": 0}, "--top 0"),
        ({"global_batch_tokens": 1000}, "nearest: 1,024"),
        ({"global_batch_tokens": 4096, "pinned": {"dp": 8}}, "the batch of 4 sequences does not divide among 8 ranks"),
        ({"precision": "bf8"}, "--precision bf8"),
        ({"hardware": "v100-32", "precision": "bf16"}, "no peak for products in bf16"),
        ({"network_gbps": 0.0}, "--network-gbps 0"),
        ({"pinned": {"tp": 3}}, "tp=3 does not divide 8 devices; the nearest below that does is 2"),
        ({"pinned": {"recompute": "half"}}, "recompute=half"),
        ({"pinned": {"sharding_factor": 4, "zero": 1}}, "sharding_factor=4"),
    ],
)
def test_bad_input_tells_the_way_out(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        plan_layout(**{**ASKED, **changes})


def test_what_does_not_fit_is_refused_with_a_way() -> None:
    with pytest.raises(BudgetError, match="the nearest that fits"):
        plan_layout("llama2-13b", None, "t4", 2, 8 * 4096, pinned={"offload": "none", "cp": 1})


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    write_picture(plan_layout(**{**QUICK, "devices": 2}).search.problem, tmp_path / "layout.svg")
    drawn = (tmp_path / "layout.svg").read_text()
    assert "DDP" in drawn
    assert "fastest layout that fits" in drawn


def test_the_command_prints_json_alone_and_ends_with_2_on_bad_input() -> None:
    words = ("plan", "layout", "--model", "gpt2", "--hardware", "a100", "--json", "--devices")
    done = commands.groundup(*words, "2", "--offload", "none")
    assert set(json.loads(done.stdout)["layouts"][0]) >= LAYOUT_KEYS, done.stderr
    bad = commands.groundup(*words, "0")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "--devices 0" in bad.stderr
