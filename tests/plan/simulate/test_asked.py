"""What `plan memory` asks is simulated from the command and from Python, and refused where it cannot be."""

import json

import pytest
from typer.testing import CliRunner

import groundup
from groundup.cli import app
from groundup.core.errors import ConfigError

ASKED = ["plan", "memory", "--model", "pythia-70m", "--seq-len", "128", "--micro-batches", "1"]


def test_command_tells_the_peak_beside_the_formulas():
    done = CliRunner().invoke(app, [*ASKED, "--dp", "4", "--zero", "3", "--simulate", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["simulated_peak"] == sum(found["simulated_components"].values())
    assert found["simulated_peak"] < found["per_device"]["total"]


def test_a_layout_of_many_axes_on_named_hardware_tells_what_is_sent_and_how_long_a_step_takes():
    layout = ["--tp", "2", "--pp", "3", "--dp", "8", "--zero", "3", "--micro-batches", "3", "--hardware", "a100-80"]
    done = CliRunner().invoke(app, [*ASKED, *layout, "--simulate", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {each["purpose"] for each in found["simulated_traffic"]} == {"tp", "pp", "dp"}
    assert sum(found["simulated_states"].values()) > 0
    step = found["simulated_step"]
    assert step["counted"]["compute_s"] == step["formulas"]["compute_s"]
    assert step["counted"]["step_s"] == pytest.approx(step["formulas"]["step_s"], rel=0.2)


def test_words_name_the_simulated_peak():
    done = CliRunner().invoke(app, [*ASKED, "--software", "groundup", "--precision", "fp32", "--simulate"])
    assert "simulated peak of tensors on one rank of 1" in done.stdout


def test_python_simulates_what_was_answered():
    answer = groundup.plan_memory("pythia-70m", seq_len=128, precision="fp32", software="groundup", micro_batches=2)
    assert groundup.simulate_memory(answer).total == pytest.approx(answer.memory.live, rel=0.05)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tp": 2, "loss": "whole"}, "loss=whole"),
        ({"optimizer": "adamw_8bit"}, "adamw_8bit"),
        ({"precision": "fp8"}, "fp8"),
        ({"compiled": True}, "--compile"),
        ({"recompute": "selective"}, "--selective products"),
        ({"generating": (1, 128)}, "--inference"),
    ],
)
def test_what_has_no_simulation_is_refused_with_the_way_out(asked, words):
    settings = asked if "generating" in asked else {"seq_len": 128, **asked}
    answer = groundup.plan_memory("pythia-70m", **settings)
    with pytest.raises(ConfigError, match=words):
        groundup.simulate_memory(answer)
