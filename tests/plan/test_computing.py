"""`plan compute` as it is asked."""

import json
import subprocess
import sys

import pytest

from groundup.core.errors import ConfigError
from groundup.estimate.spending import Utilisation
from groundup.plan.computing import plan_compute

KEYS = {"params", "tokens", "flops", "flops_attention", "flops_per_token", "pf_days", "device_hours"}


def test_the_keys_that_were_promised():
    answer = plan_compute(300e9, model="gpt3-175b", seq_len=2048).as_json()
    assert set(answer) >= KEYS
    assert answer["flops"] == 6 * answer["params"] * answer["tokens"]
    assert answer["pf_days"] == pytest.approx(3638, rel=0.001)
    assert answer["flops_attention"] == pytest.approx(12 * 96 * 12288 * 2048 * 300e9)
    assert answer["device_hours"].keys() >= {"a100-80-sxm", "h100-sxm"}
    json.dumps(answer, allow_nan=False)


def test_one_device_tells_time_energy_and_price():
    answer = plan_compute(1e12, model="llama2-7b", hardware="A100-80GB", devices=512, price_per_hour=2.0)
    run = answer.as_json()["run"]
    assert run["elapsed_s"] * 512 / 3600 == pytest.approx(run["device_hours"])
    assert run["cost"] == pytest.approx(2 * run["device_hours"])
    assert "MFU = " in answer.render()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "either --model NAME"),
        ({"model": "gpt2", "params": 1e9}, "either --model NAME"),
        ({"model": "gpt5"}, "did you mean"),
        ({"params": -1.0}, "above 0"),
        ({"params": 1e9, "seq_len": 2048}, "is for --model"),
        ({"params": 1e9, "recompute": "selective"}, "depends on the model"),
        ({"params": 1e9, "shape": "decoderr"}, "did you mean 'decoder'"),
        ({"model": "gpt2", "shape": "encoder"}, "is of shape decoder"),
        ({"model": "gpt2", "seq_len": 4096}, "longer than the 1024"),
        ({"model": "gpt2", "target_len": 10}, "has no effect"),
        ({"model": "gpt2", "recompute": "every"}, "known: full, none, selective"),
        ({"model": "gpt2", "devices": 8}, "without --hardware"),
        ({"model": "gpt2", "utilisation": Utilisation(tokens_per_s=1e5)}, "without --hardware"),
        ({"model": "gpt2", "hardware": "h1000"}, "did you mean 'h100'"),
        ({"model": "gpt2", "hardware": "t4", "precision": "bf16"}, "it has: fp32, fp16, int8"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        plan_compute(1e9, **settings)


def test_the_command_answers_without_torch():
    code = (
        "import sys; sys.argv = 'groundup plan compute --model gpt2 --tokens 1B --hardware h100 --json'.split()\n"
        "from groundup.cli import app\n"
        "try: app()\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tokens"] == 1e9
