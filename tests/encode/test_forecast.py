"""What encoding is said to take, held to what it took."""

import json
from collections import namedtuple

import pytest

from builders import build_documents, build_tokenizer, word_salad
from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.cli import app
from groundup.core.errors import BudgetError
from groundup.encode import forecast, pieces, work
from groundup.encode.config import EncodeConfig
from groundup.encode.run import foresee, run
from groundup.pipeline import find_stage, step_of


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    train = [Document(f"d{i}", word_salad(400, i), "s") for i in range(300)]
    documents = build_documents(folder / "curate", train, [Document("v", word_salad(50), "s")], {"s": 1.0})
    return {"curate": documents, "tokenizer": build_tokenizer(folder / "tokenizer", documents)}


@pytest.fixture
def order(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100_000)
    monkeypatch.setattr(work, "IN_PROCESS_BYTES", 0)
    return Order("encode", TokenShards.kind, tmp_path / "out", EncodeConfig(), 0, inputs=inputs)


def test_bytes_tokens_and_disk_are_those_of_the_work(order, monkeypatch) -> None:
    found = foresee(order.config, order.job())
    text = sum(len(document.text.encode()) for split in ("train", "validation") for document in order.inputs["curate"].read(split))
    assert found.text_bytes == pytest.approx(text, rel=0.02)
    sizes = []
    joined = work.encode_pieces

    def encode_pieces(tasks, workers, folder):
        joined(tasks, workers, folder)
        sizes.extend(path.stat().st_size for path in folder.iterdir())

    monkeypatch.setattr("groundup.encode.run.encode_pieces", encode_pieces)
    make(order, run, replace=False)
    tokens = sum(path.stat().st_size for path in order.out.rglob("*.bin")) // 2
    assert found.tokens == pytest.approx(tokens, rel=0.1)
    assert found.disk_bytes == pytest.approx(sum(sizes) + 2 * tokens, rel=0.25)
    assert found.pieces == len(sizes) == 2
    assert found.elapsed_s > 0


def test_it_is_said_before_the_work_and_a_small_disk_refused(order, monkeypatch, capsys) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("groundup.encode.forecast.shutil.disk_usage", lambda _: usage(0, 0, 1000))
    with pytest.raises(
        BudgetError, match=r"1,000 bytes are free there, and encoding [\d,]+ bytes of text takes about [\d,]+ while"
    ):
        make(order, run, replace=False)
    assert not list(order.out.rglob("*.arrow"))
    monkeypatch.undo()
    monkeypatch.setattr(work, "IN_PROCESS_BYTES", 0)
    make(order, run, replace=False)
    said = " ".join(capsys.readouterr().err.split())
    assert "worker" in said
    assert "of memory" in said
    assert "of disk" in said


def test_what_is_encoded_already_is_not_counted_again(order, monkeypatch) -> None:
    whole = foresee(order.config, order.job())
    order.job().scratch.mkdir(parents=True)
    monkeypatch.delattr("groundup.encode.run._join")
    with pytest.raises(NameError):
        run(order.config, order.job())
    left = foresee(order.config, order.job())
    assert (left.text_bytes, left.pieces) == (0, 0)
    assert left.tokens == pytest.approx(whole.tokens, rel=0.1)
    assert left.disk_bytes < whole.disk_bytes
    assert left.elapsed_s < whole.elapsed_s


def test_dry_run_tells_it_and_makes_nothing(inputs, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    given = [
        "encode",
        "--input",
        str(inputs["curate"].path),
        "--tokenizer",
        str(inputs["tokenizer"].path),
        "--out",
        str(out),
        "--dry-run",
    ]
    app(given, standalone_mode=False)
    told = capsys.readouterr().out
    assert f"would make {out}: " in told
    app([*given, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)["forecast"]
    assert found["text_bytes"] > 0
    assert found["workers"] == 1
    assert "1 worker, " in found["words"]
    assert "1 worker, " in told
    assert not out.exists()


def test_the_dry_run_of_a_line_tells_it_of_much_text_alone(inputs, tmp_path, monkeypatch) -> None:
    order = Order("encode", TokenShards.kind, tmp_path / "run/encode", EncodeConfig(), 0, inputs=inputs)
    assert step_of(find_stage("encode"), order) == "make"
    monkeypatch.setattr(forecast, "IN_PROCESS_BYTES", 0)
    assert step_of(find_stage("encode"), order).startswith("make: 675 kB of text in 2 pieces: about ")
    assert not order.out.exists()
