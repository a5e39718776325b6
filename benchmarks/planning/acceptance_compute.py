"""Rows about FLOPs, utilisation and time."""

from collections.abc import Iterator

from acceptance_checks import PLANNING, Check, read_rows, worst
from published_shapes import MPT

from groundup.estimate.compute import TrainingCompute, compute_of_model, compute_of_params, rows_of
from groundup.estimate.hardware import find_hardware
from groundup.estimate.parameters import total_parameters
from groundup.estimate.spending import DAY_S, Utilisation, spend
from groundup.nn.config import ModelConfig, ShapeName
from groundup.nn.presets import find_preset

GPT = {"norm": "layer", "position": "learned", "feed_forward": "gelu_tanh", "bias": True}
MEGATRON = {"174.6B": (12288, 96, 96), "529.6B": (20480, 105, 128)}
MEGATRON_VOCAB = 51200


def gpt(dim: int, num_layers: int, num_heads: int, vocab_size: int, seq_len: int) -> ModelConfig:
    """Return a GPT with learned positions, as the originals of these tables are."""
    sizes = {"dim": dim, "num_layers": num_layers, "num_heads": num_heads, "num_kv_heads": num_heads, "ffn_dim": 4 * dim}
    return ModelConfig.parse({**GPT, **sizes, "vocab_size": vocab_size, "max_seq_len": seq_len}, "table")


def gpt3_table() -> Iterator[Check]:
    """PF-days and FLOPs of Brown et al. 2020, table D.1."""
    for column, tolerance in (("published_pf_days", 0.005), ("published_flops", 0.005)):
        yield worst(
            (_of_table(row, column, tolerance) for row in read_rows(PLANNING / "gpt3_table_d1.csv")), f"table D.1, {column}"
        )


def _of_table(row: dict[str, str], column: str, tolerance: float) -> Check:
    shape: ShapeName = "encoder_decoder" if row["flops_per_param_per_token"] == "3" else "decoder"
    compute = compute_of_params(float(row["params_millions"]) * 1e6, float(row["tokens_billions"]) * 1e9, shape)
    ours = compute.pf_days if column == "published_pf_days" else compute.flops
    return Check(row["model"], float(row[column]), ours, tolerance)


def llm_foundry() -> Iterator[Check]:
    """MFU of MosaicML's rows from their tokens/s; counts of parameters exactly. FP8 rows mix two peaks and are left out."""
    rows = [row for row in read_rows(PLANNING / "llm_foundry_throughput_a100.csv") if "fp8" not in row["Precision"]]
    models = [gpt(*MPT[row["Model"]], vocab_size=50368, seq_len=int(row["SeqLen (T)"])) for row in rows]
    counts = (
        Check(row["Model"], float(row["NumParams"]), total_parameters(model), 1e-12)
        for row, model in zip(rows, models, strict=True)
    )
    yield worst(counts, "llm-foundry, parameters")
    yield worst((_mfu(row, model) for row, model in zip(rows, models, strict=True)), "llm-foundry, MFU, points")


def _mfu(row: dict[str, str], model: ModelConfig) -> Check:
    peak = find_hardware(row["GPU"]).peak("bf16") * int(row["# GPUs"])
    compute = compute_of_model(model, 1.0, rows_of(model))
    mfu = 100 * compute.mfu(float(row["Throughput (T/s)"]), peak)
    return Check(
        f"{row['Model']}, {row['SeqLen (T)']} tokens, {row['# GPUs']} devices", float(row["MFU"]), mfu, 0.15, absolute=True
    )


def nanogpt() -> Iterator[Check]:
    """Karpathy's transformer_sizing: GPT-2 without biases on one A100."""
    model = find_preset("nanogpt-124m").config
    params = total_parameters(model)
    yield Check("nanoGPT 124M, parameters", 124_337_664, params, 1e-12)
    yield Check("nanoGPT, checkpoint in bytes: 12 a parameter", 1_542_470_366, 12 * params, 0.04)
    batch_tokens = 100 * 1024
    compute = compute_of_model(model, batch_tokens, rows_of(model))
    assert compute.counted_flops is not None
    mfu = compute.counted_flops / 0.755 / find_hardware("a100-40").peak("bf16")
    yield Check("nanoGPT, MFU by exact count, points", 37.14, 100 * mfu, 0.1, absolute=True)


def megatron_days() -> Iterator[Check]:
    """Days for 300 B tokens at the TFLOP/s that were measured (Narayanan et al. 2021, table 2)."""
    table = [row for row in read_rows(PLANNING / "published_runs.csv") if row["id"].startswith("megatron21-t2-PTD")]
    speeds = {row["id"]: float(row["value"]) for row in table if row["metric"] == "hw_TFLOPs_per_gpu"}
    for row in table:
        if row["metric"] == "days_for_300B_tokens":
            size = row["id"].split("-")[3]
            model = gpt(*MEGATRON[size], vocab_size=MEGATRON_VOCAB, seq_len=2048)
            compute = compute_of_model(model, 300e9, rows_of(model), recompute="full")
            device = find_hardware(row["hardware"])
            use = Utilisation(hfu=speeds[row["id"]] * 1e12 / device.peak("fp16"))
            days = spend(compute, device, use, int(row["n_accel"]), "fp16").elapsed_s / DAY_S
            yield Check(f"Megatron {size} on {row['n_accel']}, days", float(row["value"]), days, 0.05)


def bloomberggpt() -> Iterator[Check]:
    """FLOPs and device-hours of Wu et al. 2023."""
    model = find_preset("bloomberggpt-50b").config
    compute = compute_of_model(model, 569e9, rows_of(model), recompute="full")
    yield Check("BloombergGPT, 6 N D", 1.73e23, compute.flops, 0.05)
    yield Check("BloombergGPT, with attention", 1.80e23, compute.model_flops, 0.05)
    yield Check(
        "BloombergGPT, FLOPs executed", 2.36e23, compute.hardware_flops, 0.05, note="reported: 102 TFLOP/s x 512 x 139,200 x 32.5 s"
    )
    hours = _at_hfu(compute, "a100-40", 102e12 / 312e12)
    yield Check("BloombergGPT, device-hours", 0.651e6, hours, 0.05, note="53 days of 512 devices, at 102 TFLOP/s")


def _at_hfu(compute: TrainingCompute, name: str, hfu: float) -> float:
    return spend(compute, find_hardware(name), Utilisation(hfu=hfu)).device_hours


def palm() -> Iterator[Check]:
    """Utilisation of Chowdhery et al. 2022: 238.3 k tokens/s on 6,144 TPU v4."""
    model = find_preset("palm-540b").config
    peak = 6144 * find_hardware("tpu-v4").peak("bf16")
    whole = compute_of_model(model, 1.0, rows_of(model), recompute="full")
    alone = compute_of_params(total_parameters(model), 1.0)
    yield Check("PaLM, MFU of 6 N, points", 45.7, 100 * alone.mfu(238.3e3, peak), 0.2, absolute=True)
    mfu = 100 * whole.mfu(238.3e3, peak)
    yield Check("PaLM, MFU with attention, points", 46.2, mfu, 0.2, absolute=True)
    note = "full recompute; the paper does not say what it computes again: 57.8 is three quarters of a forward pass"
    yield Check("PaLM, HFU, points", 57.8, whole.hfu(mfu), 0.2, absolute=True, note=note)
