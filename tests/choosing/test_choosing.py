"""`plan choose` on a small text: what is held out, what is measured, and what is refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import typer.testing
from safetensors.torch import save_file

import builders
import groundup
import models
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.artifacts.tokenizer import TOKENIZER_FILE
from groundup.choosing.choose import read_budget
from groundup.choosing.measure import OWN, compare_tokenizers, describe_text, own_tokenizer
from groundup.choosing.sample import HELD_OUT_MAX_BYTES, HELD_OUT_MIN_BYTES, Sample, read_sample
from groundup.cli import app
from groundup.core.errors import ConfigError, DataError
from groundup.estimate.hardware import find_hardware
from groundup.nn.formats import FORMATS, Ids
from groundup.nn.transformer import build_model
from groundup.plan.utilisation import usual_mfu


def words(count: int, seed: int) -> str:
    rng = np.random.default_rng(seed)
    vocabulary = ["".join(rng.choice(list("abcdefgh"), rng.integers(2, 7))) for _ in range(200)]
    return "\n".join(" ".join(rng.choice(vocabulary, 10)) for _ in range(count // 10)) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 250 kB of text in two files."""
    folder = tmp_path_factory.mktemp("choosing")
    (folder / "texts").mkdir()
    for number in range(2):
        (folder / "texts" / f"{number}.txt").write_text(words(22_000, seed=7))
    return folder


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Path:
    """A Hugging Face folder as another tool would write it, of a model that was never trained."""
    documents = builders.build_documents(folder / "curate", [Document("a:0", builders.word_salad(200), "a")], [])
    tokenizer = builders.build_tokenizer(folder / "tokenizer", documents, vocab_size=280)
    model = build_model(models.small_config(vocab_size=tokenizer.text.vocab_size))
    model.init_weights(torch.Generator().manual_seed(3))
    out = folder / "theirs"
    out.mkdir()
    data = FORMATS["llama"].write_config(model.config, Ids(eos=tokenizer.text.eos_id, pad=FORMATS["llama"].padding))
    (out / "config.json").write_text(json.dumps(data))
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": EOS_TOKEN}))
    (out / "tokenizer.json").write_bytes((tokenizer.path / TOKENIZER_FILE).read_bytes())
    save_file(FORMATS["llama"].to_theirs(model.state_dict(), model.config), out / "model.safetensors", {"format": "pt"})
    return out


def test_what_is_held_out_is_a_part_and_decided_by_names_alone(folder: Path) -> None:
    sample = read_sample(folder / "texts")
    assert sample == read_sample(folder / "texts")
    assert sample.total_bytes == sum(len(text.encode()) for text in [*sample.learned, *sample.held_out])
    assert HELD_OUT_MIN_BYTES / 2 < sample.held_out_bytes < HELD_OUT_MAX_BYTES
    whole = "".join((folder / "texts" / f"{number}.txt").read_text() for number in range(2))
    assert all(text in whole for text in sample.held_out)


def test_what_curate_held_out_is_what_is_scored(tmp_path: Path) -> None:
    documents = [Document(f"a:{number}", words(1000, number), "a") for number in range(30)]
    held_out = [Document(f"b:{number}", words(1000, 100 + number), "b") for number in range(3)]
    builders.build_documents(tmp_path / "curate", documents, held_out)
    sample = read_sample(tmp_path / "curate")
    assert sorted(sample.held_out) == sorted(document.text for document in held_out)
    assert sorted(sample.learned) == sorted(document.text for document in documents)


def test_bits_a_byte_are_those_of_evaluate(folder: Path, theirs: Path, tmp_path: Path) -> None:
    """The candidate scored on the held-out passages written as files."""
    choice = api.plan_choose(folder / "texts", [theirs], device="cpu")
    for number, text in enumerate(read_sample(folder / "texts").held_out):
        (tmp_path / f"{number:04}.txt").write_text(text)
    checkpoint = api.import_checkpoint(theirs, tmp_path / "imported", verify=False)
    expected = api.evaluate(checkpoint.path, tmp_path, device="cpu")
    (candidate,) = choice.candidates
    assert candidate.bits_per_byte == pytest.approx(expected["bits_per_byte"], rel=1e-5)
    assert choice.recommendation == "cannot_tell"  # a model that learned nothing, and no budget
    assert candidate.bits_per_byte > choice.text.baseline_bits_per_byte
    assert candidate.gain is not None
    assert candidate.gain > 0.5
    assert api.plan_choose(folder / "texts", [theirs], device="cpu", flops=1e15).recommendation == "own"


def test_word_pairs_of_the_text_say_what_counting_them_slowly_says() -> None:
    """Add-nothing counts of a text of two tokens a passage: a b, half of the time a c."""
    sample = Sample(8, ["ab", "ab", "ac", "ac"], ["ab"])
    own = own_tokenizer(Sample(1, ["x"], ["x"]), 300)
    facts = compare_tokenizers(sample, own, {})[0]
    text = describe_text(sample, own, facts)
    vocabulary, kinds = own.vocab_size, 5  # pairs: end-a, a-b, a-c, b-end, c-end
    once, twice = 0, 4
    discount = once / (once + 2 * twice) if once else 0.5
    before = {"a": 1, "b": 1, "c": 1, "end": 2}
    lower = {name: (count + 1) / (kinds + vocabulary) for name, count in before.items()}
    bits = 0.0
    for count, total, seen, name in ((4, 4, 1, "a"), (2, 4, 2, "b"), (2, 2, 1, "end")):
        bits -= math.log2((count - discount + discount * seen * lower[name]) / total)
    assert text.baseline_bits_per_byte == pytest.approx(bits / 2)


def test_the_tokenizer_of_the_text_fits_it_best(folder: Path, theirs: Path) -> None:
    choice = api.plan_choose(folder / "texts", tokenizers=[theirs], vocab_size=600)
    own, other = choice.tokenizers
    assert (own.name, own.ratio, other.name) == (OWN, 1.0, theirs.name)
    assert other.ratio > 1.5
    assert other.ratio == pytest.approx(other.fertility / own.fertility)
    assert choice.text.tokens == pytest.approx(choice.text.bytes / own.bytes_per_token)


def test_an_encoder_says_no_probability(folder: Path, tmp_path: Path) -> None:
    documents = builders.build_documents(tmp_path / "curate", [Document("a:0", builders.word_salad(200), "a")], [])
    run = builders.build_training_run(
        tmp_path / "run", builders.build_tokenizer(tmp_path / "tokenizer", documents), shape="encoder"
    )
    choice = api.plan_choose(folder / "texts", [run.path], device="cpu")
    assert choice.recommendation == "cannot_tell"
    assert any("encoder does not say how probable" in line for line in choice.missing)


def test_hours_of_a_device_are_flops_of_its_peak() -> None:
    found = read_budget(device_hours=2.0, hardware="a100-40gb")
    assert found.flops == pytest.approx(2 * 3600 * 312e12 * usual_mfu(find_hardware("a100-40"), "bf16")[0])
    assert read_budget(money=6.0, price_per_hour=3.0, hardware="a100-40gb", mfu=0.5).flops == pytest.approx(3600 * 312e12)
    assert read_budget(pf_days=1.0).flops == 8.64e19


def test_bad_input_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short\n")
    (tmp_path / "line.txt").write_text("x" * 200_000)
    (tmp_path / "empty").mkdir()
    for text, says in (("short.txt", "add text"), ("line.txt", "break its lines"), ("none", "no such file"), ("empty", "holds no")):
        with pytest.raises(DataError, match=says):
            groundup.plan_choose(tmp_path / text)
    texts = folder / "texts"
    for options, says in (
        ({"candidates": [tmp_path / "none"]}, "no checkpoint, Hugging Face folder or GGUF file"),
        ({"candidates": [texts]}, "no checkpoint"),
        ({"tokenizers": [texts, texts]}, "said twice"),
        ({"vocab_size": 100}, "at least 300"),
        ({"flops": 1e18, "pf_days": 1.0}, "keep one"),
        ({"mfu": 0.3}, "no effect without --hardware"),
        ({"mfu": 40.0, "hardware": "t4"}, "40 % is 0.4"),
        ({"hardware": "a1000", "device_hours": 1.0}, "did you mean"),
    ):
        with pytest.raises(ConfigError, match=says):
            groundup.plan_choose(texts, **options)


def test_the_command_prints_one_object(folder: Path, theirs: Path) -> None:
    arguments = ["plan", "choose", "--text", str(folder / "texts"), "--candidate", str(theirs), "--pf-days", "1e-5", "--json"]
    done = typer.testing.CliRunner().invoke(app, [*arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["recommendation"] == "own"
    assert {option["way"] for option in found["options"]} == {"use", "adapt", "own"}
