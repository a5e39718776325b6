"""Encoding in pieces: the same bytes for any number of workers, for any cut and after any kill; nothing finished is done again."""

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import build, build_tokenizer, word_salad
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA, Documents
from groundup.artifacts.place import SCRATCH
from groundup.artifacts.token_shards import TokenShards
from groundup.core.config import Config
from groundup.core.engines import Workers
from groundup.core.errors import DataError, WorkerError
from groundup.core.files import write_json
from groundup.encode import pieces, work
from groundup.encode.config import EncodeConfig, MixConfig
from groundup.encode.run import run
from groundup.orders import action
from groundup.train.order import DataOrder, streams_of

GROUPS = 30
STRIDE = 16
NAMES = ("law", "web", "wiki")


def write_documents(_: Config, job: Job) -> Outcome:
    """Two files of row groups that hold documents of several sources each, and a held-out one."""
    rows = [
        {"id": f"{NAMES[n % 3]}/{n}", "text": word_salad(20 + n % 90, n), "source": NAMES[n % 3], "bytes": 1, "meta": "{}"}
        for n in range(GROUPS * 10)
    ]
    table = pa.Table.from_pylist(rows, DOCUMENT_SCHEMA)
    for folder, name, part in (
        ("documents", "part-00000", table[: GROUPS * 7]),
        ("documents", "part-00001", table[GROUPS * 7 :]),
        ("validation", "part-00000", table[:5]),
    ):
        (job.out / folder).mkdir(exist_ok=True)
        pq.write_table(part, job.out / folder / f"{name}.parquet", row_group_size=10)
    write_json(job.out / "sources.json", [{"name": name, "weight": 1.0} for name in NAMES])
    return Outcome()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    root = tmp_path_factory.mktemp("pieces")
    documents = build(Documents, root / "curate", write_documents)
    return {"curate": documents, "tokenizer": build_tokenizer(root / "tokenizer", documents)}


@pytest.fixture(scope="module")
def whole(inputs: dict[str, Artifact], tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    return build(TokenShards, tmp_path_factory.mktemp("whole") / "encode", run, EncodeConfig(), inputs)


def order(out: Path, inputs: dict[str, Artifact], workers: int = 1, mix: MixConfig | None = None, seed: int = 0) -> Order:
    config = EncodeConfig(mix=mix)
    return Order("encode", "token-shards", out, config, seed, workers=Workers("local", workers), inputs=inputs)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece a row group, and processes for any size: these are the parent's to decide."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1)
    monkeypatch.setattr(work, "IN_PROCESS_BYTES", 0)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_for_any_cut_and_any_number_of_workers(
    inputs: dict[str, Artifact], whole: TokenShards, tmp_path: Path, workers: int
) -> None:
    make(order(tmp_path / "encode", inputs, workers), run, replace=False)
    assert TokenShards.open(tmp_path / "encode").content_hash == whole.content_hash
    assert not (tmp_path / "encode" / SCRATCH).exists()
    assert not multiprocessing.active_children()


def test_pieces_cover_every_row_group_once(inputs: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch) -> None:
    documents = inputs["curate"]
    assert isinstance(documents, Documents)
    for size in (1, 5000, 1 << 30):
        monkeypatch.setattr(pieces, "PIECE_BYTES", size)
        cut = pieces.cut(documents, "train", "0" * 64)
        assert [(piece.file, group) for piece in cut for group in piece.groups] == [
            (file, group) for file in documents.files("train") for group in range(pq.read_metadata(file).num_row_groups)
        ]
        assert sum(piece.documents for piece in cut) == GROUPS * 10
        assert len({piece.key for piece in cut}) == len(cut)
    assert not {piece.key for piece in cut} & {piece.key for piece in pieces.cut(documents, "train", "1" * 64)}


def wait_for_pieces(folder: Path, number: int) -> bool:
    """Return whether so many pieces came, within a generous time."""
    for _ in range(6000):
        if folder.is_dir() and sum(path.suffix == ".arrow" for path in folder.iterdir()) >= number:
            return True
        time.sleep(0.005)
    return False


@pytest.mark.usefixtures("small_pieces")
def test_a_killed_worker_is_named_and_its_pieces_alone_are_lost(
    inputs: dict[str, Artifact], whole: TokenShards, tmp_path: Path
) -> None:
    wanted = order(tmp_path / "encode", inputs, workers=2)
    scratch = tmp_path / "encode" / SCRATCH

    def kill() -> None:
        wait_for_pieces(scratch, 5)
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        WorkerError, match=r"encode: at .*part-0000\d\.parquet \(row groups \d+ to \d+\).*run the same command again"
    ):
        make(wanted, run, replace=False)
    killer.join()
    there = {path: path.stat().st_mtime_ns for path in scratch.glob("*.arrow")}
    assert 5 <= len(there) < GROUPS
    assert action(wanted, force=False) == "go on"
    kept: dict[Path, int] = {}

    def look_then_run(config: EncodeConfig, job: Job) -> Outcome:
        outcome = run(config, job)
        kept.update({path: path.stat().st_mtime_ns for path in there})
        return outcome

    make(order(tmp_path / "encode", inputs, workers=1), look_then_run, replace=False)
    assert kept == there
    assert TokenShards.open(tmp_path / "encode").content_hash == whole.content_hash


@pytest.mark.usefixtures("small_pieces")
def test_a_damaged_or_foreign_piece_is_not_taken(inputs: dict[str, Artifact], whole: TokenShards, tmp_path: Path) -> None:
    wanted = order(tmp_path / "encode", inputs)

    def run_then_fail(config: EncodeConfig, job: Job) -> Outcome:
        run(config, job)
        first, second, *_ = sorted(job.scratch.glob("*.arrow"))
        first.write_bytes(first.read_bytes()[:-9])
        second.write_bytes(b"")
        (job.scratch / ("0" * 64 + ".arrow")).write_bytes(b"other")
        raise DataError("after the pieces")

    with pytest.raises(DataError, match="after the pieces"):
        make(wanted, run_then_fail, replace=False)
    make(wanted, run, replace=False)
    assert TokenShards.open(tmp_path / "encode").content_hash == whole.content_hash


def test_a_mix_that_cannot_be_had_keeps_the_pieces_for_one_that_can(
    inputs: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {"law": 51.0, "web": 49.0, "wiki": 0.0}
    with pytest.raises(DataError, match="cannot be reached"):
        make(order(tmp_path / "encode", inputs, mix=MixConfig(shares=shares, tokens=10**9)), run, replace=False)
    monkeypatch.setattr(pieces, "encode", None)  # nothing is left to encode
    monkeypatch.setattr(work, "encode", None)
    make(order(tmp_path / "encode", inputs, mix=MixConfig(shares=shares, tokens=10_000)), run, replace=False)
    shards = TokenShards.open(tmp_path / "encode")
    assert shards.mix is not None
    assert shards.mix.tokens == 10_000
    assert not (tmp_path / "encode" / SCRATCH).exists()


@pytest.mark.usefixtures("small_pieces")
def test_a_mix_keeps_whole_documents_and_weighs_them(inputs: dict[str, Artifact], whole: TokenShards, tmp_path: Path) -> None:
    available = {source.name: source.tokens["train"] for source in whole.info.sources}
    total = 2 * available["law"]
    config = MixConfig(shares={"law": 51.0, "web": 30.0, "wiki": 19.0}, tokens=total, max_epochs=3)
    make(order(tmp_path / "encode", inputs, mix=config, seed=3), run, replace=False)
    shards = TokenShards.open(tmp_path / "encode")
    texts = {name: (tokens.tolist(), size) for name, tokens, size in whole.documents("train")}
    for name, tokens, size in shards.documents("train"):
        assert texts[name] == (tokens.tolist(), size)
    assert shards.mix is not None
    assert shards.manifest.counts["mix"] == "law 51.0%, web 30.0%, wiki 19.0%"
    longest = max(len(tokens) for tokens, _ in texts.values())
    for source, mixed in zip(shards.info.sources, shards.mix.sources, strict=True):
        assert mixed.available_tokens == available[source.name]
        assert source.tokens["train"] == mixed.kept_tokens <= mixed.available_tokens
        assert source.documents["train"] == mixed.kept_documents
        assert abs(mixed.tokens - mixed.share * total) < 1
        assert source.weight * source.tokens["train"] == pytest.approx(mixed.tokens)
        assert mixed.epochs <= mixed.max_epochs
        if mixed.tokens < mixed.available_tokens:
            assert mixed.tokens <= mixed.kept_tokens < mixed.tokens + longest
    assert shards.total("tokens", "validation") == whole.total("tokens", "validation")
    streams = streams_of(shards, "train", STRIDE, overlap=1)
    data_order = DataOrder(streams, 0, shards.fingerprint)
    taken = data_order.taken(data_order.epoch_windows)
    for stream, windows in zip(streams, taken, strict=True):
        mixed = next(source for source in shards.mix.sources if source.name == stream.name)
        assert abs(windows * STRIDE - mixed.tokens) <= (mixed.epochs + 1) * STRIDE


@pytest.mark.usefixtures("small_pieces")
def test_a_mix_does_not_depend_on_the_cut_but_on_the_seed(
    inputs: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EncodeConfig(mix=MixConfig(temperature=2, tokens=5_000))
    kept = {}
    for name, size, seed in (("one", 1, 3), ("two", 1 << 30, 3), ("three", 1, 4)):
        monkeypatch.setattr(pieces, "PIECE_BYTES", size)
        shards = build(TokenShards, tmp_path / name / "encode", run, config, inputs, seed=seed)
        kept[name] = {name for name, _, _ in shards.documents("train")}
        if name == "two":
            assert shards.content_hash == TokenShards.open(tmp_path / "one" / "encode").content_hash
    assert kept["one"] == kept["two"] != kept["three"]
