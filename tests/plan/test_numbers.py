"""`plan formats`: pi as published, tensors of files, bytes of models, and what is refused."""

import csv
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer.testing
from rich.console import Console
from safetensors.torch import save_file

import groundup
from groundup.cli import app
from groundup.core.errors import ConfigError, DataError
from groundup.estimate.formats import FORMATS
from groundup.plan.formats import answer
from groundup.plan.numbers_text import render
from groundup.plan.tensor_file import read_tensor

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[3] / "shared/data")) / "planning"
SLIDE_LITERAL = 3.141592


def row(value: float | str, name: str, **options: Any) -> dict[str, Any]:
    (found,) = answer(value, name, **options).as_json()["formats"]
    return found


@pytest.mark.parametrize(
    ("name", "value", "stored", "hexadecimal", "error"),
    [
        ("fp32", math.pi, 3.1415927410125732, "0x40490fdb", 8.742278012618954e-08),
        ("fp32", SLIDE_LITERAL, 3.1415920257568359375, "0x40490fd8", 2.57568359e-08),
        ("fp16", math.pi, 3.140625, "0x4248", 0.000967653589793116),
        ("bf16", math.pi, 3.140625, "0x4049", 0.000967653589793116),
        ("int8", math.pi, 3.0, "0x3", 0.14159265358979312),
    ],
)
def test_pi_is_stored_as_published(name: str, value: float, stored: float, hexadecimal: str, error: float) -> None:
    found = row(value, name)
    assert (found["stored"], found["hex"]) == (stored, hexadecimal)
    assert found["abs_error"] == pytest.approx(error, rel=1e-6)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no {DATA}: set GROUNDUP_DATA to the folder of planning")
def test_pi_is_every_row_of_the_file() -> None:
    rows = list(csv.DictReader((DATA / "pi_expected.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) >= 9
    for expected in rows:
        title = expected["format"]
        value = SLIDE_LITERAL if "literal" in title else math.pi
        absmax = re.search(r"absmax=([\d.]+)", title)
        given = None if absmax is None else math.pi if absmax[1] == "3.14159" else float(absmax[1])
        found = row(value, title.split()[0], absmax=given)
        stored = found["truncated"] if "truncate" in title else found["stored"]
        assert stored == float(expected["stored_value"]), title
        if "truncate" not in title:
            assert found["hex"] == expected["hex"], title
        assert abs(stored - math.pi) == pytest.approx(float(expected["abs_error"]), rel=1e-9), title  # of pi, not of the literal
        for key in ("bytes", "sign_bits", "exponent_bits", "fraction_bits"):
            assert found[key] == float(expected[key]), (title, key)


def test_keys_of_the_interface_and_all_formats_by_default() -> None:
    found = groundup.plan_formats(math.pi).as_json()
    assert found.keys() == {"value", "formats"}
    assert [each["format"] for each in found["formats"]] == list(FORMATS)
    keys = {"format", "bytes", "sign_bits", "exponent_bits", "fraction_bits", "stored", "hex", "abs_error"}
    assert all(keys <= each.keys() for each in found["formats"])
    assert groundup.plan_formats("pi", ["fp16"]) == groundup.plan_formats(math.pi, "fp16")


def test_json_has_no_infinite_numbers() -> None:
    for value in ("inf", "-inf", "nan", "1e300", "-0.0"):
        text = json.dumps(answer(value).as_json(), allow_nan=False)
        assert math.isnan(float(json.loads(text)["value"])) or float(json.loads(text)["value"]) == float(value)
    assert row(1e6, "fp16")["stored"] == "inf"
    assert row("inf", "fp8_e4m3")["stored"] == 448
    assert row("nan", "fp8_e4m3")["stored"] == "nan"
    assert row("inf", "int8")["stored"] == 127
    assert row(math.nan, "int4")["abs_error"] == "nan"


def test_a_billion_weights_are_4_2_2_1_gigabytes() -> None:
    found = answer(params=1e9).as_json()
    assert {each["format"]: each["bytes"] for each in found["memory"]} == {
        "fp32": 4e9, "fp16": 2e9, "bf16": 2e9, "fp8_e4m3": 1e9, "fp8_e5m2": 1e9, "int8": 1e9, "int4": 0.5e9,
    }  # fmt: skip
    grouped = answer(params=1e9, formats="int4,fp16", group_size=64).as_json()["memory"]
    assert [each["bytes_with_scales"] for each in grouped] == [0.5e9 + 1e9 / 64 * 4, 2e9]


def test_a_published_model_is_weighed_whole() -> None:
    assert answer(model="gpt2").params == 124_439_808  # Radford et al. 2019, the released checkpoint
    assert answer(model="gpt2", formats="bf16").memory[0].bytes == 2 * 124_439_808


def test_the_screen_draws_the_bits_with_their_meaning() -> None:
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render(answer("pi", "fp16,bf16,int8", normal="8x300", params=1e9)))
    console.file.close()
    text = console.export_text()
    for line in ("0 | 10000 | 1001001000  0x4248", "0 | 10000000 | 1001001  0x4049", "0 | 0000011  0x3"):
        assert line in text
    assert "16 - 15, so 2^1 = 2" in text
    assert "1 + 584/1024 = 1.5703125" in text
    assert "error 0.000968" in text
    assert "128 values" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_sample_is_decided_by_its_seed() -> None:
    first = answer(normal="16x64", formats="int8")
    assert first == answer(normal="16x64", formats="int8", seed=0) != answer(normal="16x64", formats="int8", seed=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.int8])
def test_tensors_of_safetensors(tmp_path: Path, dtype: torch.dtype) -> None:
    wanted = torch.arange(12.0).reshape(3, 4).to(dtype)
    save_file({"a.weight": wanted, "a.bias": torch.zeros(100)}, tmp_path / "a.safetensors")
    name, values, rows = read_tensor(tmp_path / "a.safetensors", None, 1000)
    assert (name, rows) == ("a.weight", 3)
    np.testing.assert_array_equal(values, wanted.double().numpy())
    assert read_tensor(tmp_path / "a.safetensors", "a.bias", 30)[1].shape == (1, 30)


@pytest.mark.parametrize("shape", [(), (5,), (4, 6), (2, 3, 4)])
def test_arrays_of_numpy_by_rows_of_the_last_dimension(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).standard_normal(shape)
    np.save(tmp_path / "a.npy", array)
    _, values, rows = read_tensor(tmp_path / "a.npy", None, 1000)
    np.testing.assert_array_equal(values, array.reshape(-1, shape[-1] if shape else 1))
    assert rows == len(values)


def test_of_a_large_tensor_the_first_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000.0).reshape(100, 10))
    _, values, rows = read_tensor(tmp_path / "a.npy", None, 55)
    assert (values.shape, rows) == ((5, 10), 100)


def write(folder: Path, name: str, what: Any) -> Path:
    path = folder / name
    if isinstance(what, bytes):
        path.write_bytes(what)
    elif isinstance(what, dict):
        save_file(what, path)
    else:
        np.save(path, what, allow_pickle=True)
    return path


@pytest.mark.parametrize(
    ("name", "what", "says"),
    [
        ("a.npy", b"", "not a .npy file"),
        ("a.npy", b"words and words", "not a .npy file"),
        ("a.npy", np.array([{"a": 1}], object), "not opened"),
        ("a.npy", np.array(["a", "b"]), "not real numbers"),
        ("a.npy", np.array([1j]), "not real numbers"),
        ("a.npy", np.zeros((0, 3)), "is empty"),
        ("a.npy", np.array([[1.0, 2.0], [np.nan, np.inf]]), "1 NaN and 1 infinite of 4 values, the first at row 1, column 0"),
        ("a.safetensors", b"no tensors here", "not a whole safetensors file"),
        ("a.safetensors", {"w": torch.zeros(0)}, "is empty"),
        ("a.safetensors", {"w": torch.tensor([True])}, "not real numbers"),
        ("a.safetensors", {"w": torch.tensor([math.nan, 1.0])}, "1 NaN"),
        ("a.pt", b"PK", ".npy or .safetensors"),
    ],
)
def test_what_is_no_tensor_is_refused(tmp_path: Path, name: str, what: Any, says: str) -> None:
    with pytest.raises(DataError, match=re.escape(says)):
        answer(tensor=write(tmp_path, name, what))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "say what is stored"),
        ({"value": "three"}, "three"),
        ({"value": "1e999"}, "beyond the float64"),
        ({"value": 1, "formats": "fp31"}, "did you mean 'fp32'"),
        ({"value": 1, "formats": ","}, "no number format named"),
        ({"value": 1, "absmax": 0.0}, "must be above 0"),
        ({"value": 1, "formats": "fp16", "absmax": 3.0}, "add int8 or int4"),
        ({"params": 1e9, "absmax": 3.0}, "--absmax: no effect"),
        ({"value": 1, "name": "w"}, "--name: no effect"),
        ({"value": 1, "seed": 1}, "--seed: no effect"),
        ({"value": 1, "group_size": 8}, "--group-size: no effect"),
        ({"params": 0.0}, "at least 1 weight"),
        ({"params": math.nan}, "at least 1 weight"),
        ({"params": 1e9, "model": "gpt2"}, "say one of them"),
        ({"model": "gpt-2"}, "did you mean"),
        ({"normal": "512"}, "such as 512x512"),
        ({"normal": "0x5"}, "such as 512x512"),
        ({"normal": "99999x99999"}, "at most"),
        ({"normal": "8x8", "group_size": 0}, "at least 1 value"),
        ({"normal": "8x8", "tensor": Path("a.npy")}, "say one of them"),
        ({"tensor": Path("a.npy"), "name": "w"}, "no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigError, DataError), match=says):
        answer(**options)


def test_a_name_that_a_file_has_not(tmp_path: Path) -> None:
    path = write(tmp_path, "a.safetensors", {"head.weight": torch.ones(2, 2)})
    with pytest.raises(ConfigError, match="did you mean 'head\\.weight'"):
        answer(tensor=path, name="head.wieght")
    array = write(tmp_path, "a.npy", np.ones(3))
    with pytest.raises(ConfigError, match="holds one tensor"):
        answer(tensor=array, name="w")


@pytest.mark.parametrize(
    "words", [["-3.5"], ["-1e-3", "--formats", "int8"], ["-inf"], ["pi", "--normal", "4x4", "--params", "1e9"]]
)
def test_the_command_takes_negative_numbers_and_prints_one_object(words: list[str]) -> None:
    done = typer.testing.CliRunner().invoke(app, ["plan", "formats", *words, "--json"])
    assert done.exit_code == 0, done.output
    assert (
        json.loads(done.stdout)
        == answer(
            words[0],
            "int8" if "int8" in words else None,
            normal="4x4" if "4x4" in words else None,
            params=1e9 if "--params" in words else None,
        ).as_json()
    )
