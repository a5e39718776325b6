"""FLOPs and utilisation, against published numbers."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.estimate.compute import compute_of_model, compute_of_params, rows_of
from groundup.estimate.hardware import catalogue, find_hardware
from groundup.estimate.parameters import total_parameters
from groundup.estimate.spending import ASSUMED_MFU, DAY_S, Utilisation, spend
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[3] / "shared/data")) / "planning"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no {DATA}: set GROUNDUP_DATA to the folder of planning")
GPT = {"norm": "layer", "position": "learned", "feed_forward": "gelu_tanh", "bias": True}
MPT = {
    "125m": (768, 12, 12),
    "350m": (1024, 24, 16),
    "760m": (1536, 24, 12),
    "1b": (2048, 24, 16),
    "3b": (2560, 32, 20),
    "7b": (4096, 32, 32),
    "13b": (5120, 40, 40),
    "30b": (7168, 48, 56),
    "70b": (8192, 80, 64),
}


def gpt(dim, num_layers, num_heads, vocab_size, seq_len):
    sizes = {"dim": dim, "num_layers": num_layers, "num_heads": num_heads, "num_kv_heads": num_heads, "ffn_dim": 4 * dim}
    return ModelConfig.parse({**GPT, **sizes, "vocab_size": vocab_size, "max_seq_len": seq_len}, "test")


@pytest.mark.parametrize(
    ("params", "tokens", "shape", "pf_days", "flops"),
    [
        (174.6e9, 300e9, "decoder", 3.64e3, 3.14e23),
        (11e9, 1e12, "encoder_decoder", 382, 3.3e22),
        (355e6, 250e9, "encoder", 6.16, 5.33e20),
    ],
)
def test_table_d1_of_gpt3(params, tokens, shape, pf_days, flops):
    compute = compute_of_params(params, tokens, shape)
    assert compute.pf_days == pytest.approx(pf_days, rel=0.005)
    assert compute.flops == pytest.approx(flops, rel=0.005)


@needs_data
def test_all_rows_of_table_d1():
    with (DATA / "gpt3_table_d1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 17
    for row in rows:
        shape = "encoder_decoder" if row["flops_per_param_per_token"] == "3" else "decoder"
        compute = compute_of_params(float(row["params_millions"]) * 1e6, float(row["tokens_billions"]) * 1e9, shape)
        assert compute.pf_days == pytest.approx(float(row["published_pf_days"]), rel=0.005), row["model"]


@needs_data
def test_mfu_of_every_row_of_llm_foundry():
    with (DATA / "llm_foundry_throughput_a100.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        model = gpt(*MPT[row["Model"]], vocab_size=50368, seq_len=int(row["SeqLen (T)"]))
        assert total_parameters(model) == int(row["NumParams"])
        compute = compute_of_model(model, 1.0, rows_of(model))
        peak = find_hardware(row["GPU"]).peak("bf16") * int(row["# GPUs"])
        assert 100 * compute.mfu(float(row["Throughput (T/s)"]), peak) == pytest.approx(float(row["MFU"]), abs=0.15), row


def test_one_row_of_llm_foundry():
    """scripts/train/benchmarking of llm-foundry: MPT-70B on 64 A100, 26,274 tokens/s."""
    model = gpt(*MPT["70b"], vocab_size=50368, seq_len=2048)
    assert total_parameters(model) == 64_862_437_376
    mfu = compute_of_model(model, 1.0, rows_of(model)).mfu(26274, 64 * 312e12)
    assert mfu == pytest.approx(0.5333, abs=0.0015)


def test_nanogpt():
    """Karpathy's transformer_sizing: 124,337,664 parameters, 37.14 % at 0.755 s for 100 rows of 1,024 on an A100."""
    model = find_preset("nanogpt-124m").config
    assert total_parameters(model) == 124_337_664
    compute = compute_of_model(model, 100 * 1024, rows_of(model))
    assert compute.counted_flops / 0.755 / 312e12 == pytest.approx(0.3714, abs=0.001)


def test_palm():
    """Chowdhery et al. 2022, section 4.1: 238.3 k tokens/s on 6,144 TPU v4 are 45.7 % without attention and 46.2 % with it."""
    model = find_preset("palm-540b").config
    peak = 6144 * find_hardware("tpu-v4").peak("bf16")
    assert compute_of_params(total_parameters(model), 1.0).mfu(238.3e3, peak) == pytest.approx(0.457, abs=0.002)
    assert compute_of_model(model, 1.0, rows_of(model)).mfu(238.3e3, peak) == pytest.approx(0.462, abs=0.002)


@pytest.mark.parametrize(
    ("sizes", "devices", "tflops", "days"),
    [
        ((12288, 96, 96), 384, 153, 84),
        ((12288, 96, 96), 768, 149, 43),
        ((12288, 96, 96), 1536, 141, 23),
        ((20480, 105, 128), 560, 171, 156),
        ((20480, 105, 128), 1120, 167, 80),
        ((20480, 105, 128), 2240, 159, 42),
    ],
)
def test_days_of_megatron(sizes, devices, tflops, days):
    """Narayanan et al. 2021, table 2: days for 300 B tokens at the speed measured, all activations recomputed."""
    model = gpt(*sizes, vocab_size=51200, seq_len=2048)
    compute = compute_of_model(model, 300e9, rows_of(model), recompute="full")
    use = Utilisation(hfu=tflops / 312)
    spending = spend(compute, find_hardware("a100-80"), use, devices, "fp16")
    assert spending.elapsed_s / DAY_S == pytest.approx(days, rel=0.05)


def test_bloomberggpt():
    """Wu et al. 2023: 2.36e23 FLOPs executed on 512 A100 of 40 GB in 53 days at 102 TFLOP/s."""
    model = find_preset("bloomberggpt-50b").config
    compute = compute_of_model(model, 569e9, rows_of(model), recompute="full")
    assert compute.flops == pytest.approx(1.73e23, rel=0.05)
    assert compute.model_flops == pytest.approx(1.80e23, rel=0.05)
    assert compute.hardware_flops == pytest.approx(2.36e23, rel=0.05)
    spending = spend(compute, find_hardware("a100-40"), Utilisation(hfu=102 / 312), 512)
    assert spending.device_hours == pytest.approx(512 * 53 * 24, rel=0.05)


def test_encoder_decoders_count_both_stacks():
    """Exact count and 3 N D agree but for attention, cross-attention's share and the head, which multiplies targets alone."""
    compute = compute_of_model(find_preset("t5-11b").config, 1e12, rows_of(find_preset("t5-11b").config, 512, 512))
    assert compute.counted_flops - compute.attention_flops == pytest.approx(compute.flops, rel=0.02)


@given(st.floats(0.01, 1.0), st.sampled_from(["none", "selective", "full"]), st.sampled_from(list(catalogue())))
def test_time_speed_and_utilisation_are_one(mfu, recompute, name):
    """The speed of a plan, told back as a measurement, is the plan; hardware is never used less than the model says."""
    model = find_preset("llama2-7b").config
    compute = compute_of_model(model, 2e12, rows_of(model), recompute)
    mfu = mfu / compute.hfu(1.0)
    plan = spend(compute, catalogue()[name], Utilisation(mfu=mfu), 64)
    again = spend(compute, catalogue()[name], Utilisation(tokens_per_s=plan.tokens_per_s), 64)
    assert again.mfu == pytest.approx(mfu)
    assert again.elapsed_s == pytest.approx(plan.device_hours * 3600 / 64)
    assert plan.hfu >= plan.mfu
    assert spend(compute, catalogue()[name], Utilisation(hfu=plan.hfu), 64).mfu == pytest.approx(mfu)


def test_energy_is_power_by_time_by_pue():
    compute = compute_of_params(1e9, 20e9)
    spending = spend(compute, find_hardware("a100-80"), Utilisation(mfu=0.5), 8, pue=1.2, price_per_hour=2.0)
    hours = 1.2e20 / (0.5 * 312e12) / 3600
    assert spending.device_hours == pytest.approx(hours)
    assert spending.energy_kwh == pytest.approx(hours * 0.4 * 1.2)
    assert spending.cost == pytest.approx(2 * hours)
    assert spend(compute, find_hardware("tpu-v5e"), Utilisation()).energy_kwh is None


def test_utilisation_is_assumed_where_nothing_is_said():
    spending = spend(compute_of_params(1e9, 20e9), find_hardware("h100"), Utilisation())
    assert (spending.mfu, spending.mfu_source) == ASSUMED_MFU
    assert "assumed" in spending.mfu_source


@pytest.mark.parametrize(
    ("use", "settings", "says"),
    [
        (Utilisation(mfu=40), {}, "shares of the peak"),
        (Utilisation(mfu=0.0), {}, "shares of the peak"),
        (Utilisation(mfu=0.4, hfu=0.5), {}, "keep one"),
        (Utilisation(tokens_per_s=1e12), {}, "makes an MFU of"),
        (Utilisation(), {"devices": 0}, "at least 1"),
        (Utilisation(), {"pue": 0.9}, "at least 1"),
        (Utilisation(), {"price_per_hour": -1.0}, "not below 0"),
        (Utilisation(), {"precision": "fp4"}, "no peak"),
    ],
)
def test_what_cannot_be_is_refused(use, settings, says):
    with pytest.raises(ConfigError, match=says):
        spend(compute_of_params(1e9, 20e9), find_hardware("h100"), use, **settings)
