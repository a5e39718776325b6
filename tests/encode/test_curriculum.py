"""Documents of each source in the order of a measure: the same documents, the same bytes for any workers, batches and ranges."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from builders import build, build_documents, build_tokenizer, word_salad
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import Document, Documents
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.engines import Workers
from groundup.core.errors import ConfigError, DataError
from groundup.encode import curriculum, pieces, work
from groundup.encode.config import CurriculumConfig, EncodeConfig, MeasureName, MixConfig
from groundup.encode.curriculum import MEASURES
from groundup.encode.draw import key_of, marks_of
from groundup.encode.run import run
from groundup.recipe import Recipe
from groundup.train.arrangement import ARRANGEMENTS
from groundup.train.batch import Batch
from groundup.train.batches import BatchReader
from groundup.train.config import OrderName, TrainConfig
from groundup.train.course.course import Course
from packed_rows import causal

SEED = 5
LENGTHS = [3, 50, 7, 7, 120, 7, 1, 30, 2, 300, 50, 9]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    train = [
        Document(f"{'ab'[i % 2]}/{i}", word_salad(length, i), "ab"[i % 2], meta=json.dumps({"line": i, "ease": (i * 7) % 12}))
        for i, length in enumerate(LENGTHS * 2)
    ]
    return build_documents(
        tmp_path_factory.mktemp("curriculum") / "curate", train, [Document("a/v", word_salad(9), "a")], {"a": 1, "b": 1}
    )


@pytest.fixture(scope="module")
def tokenizer(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return build_tokenizer(tmp_path_factory.mktemp("curriculum") / "tokenizer", documents)


def encoded(out: Path, documents: Documents, tokenizer: Tokenizer, config: EncodeConfig, workers: int = 1) -> TokenShards:
    inputs = {"curate": documents, "tokenizer": tokenizer}
    make(Order("encode", TokenShards.kind, out, config, SEED, inputs=inputs, workers=Workers("local", workers)), run, replace=False)
    return TokenShards.open(out)


def by_id(shards: TokenShards) -> dict[str, list[int]]:
    return {name: tokens.tolist() for name, tokens, _ in shards.documents("train")}


def slow_order(shards: TokenShards, source: str, value) -> list[str]:
    """Return the ids of a source by their values, equal ones by the hash of id and seed."""
    rows = shards.index("train", source).to_pylist()
    return [row["id"] for row in sorted(rows, key=lambda row: (value(row), int(key_of(marks_of([row["id"]]), SEED)[0])))]


VALUES = {
    "tokens": lambda row: row["tokens"],
    "bytes": lambda row: row["bytes"],
    "tokens_per_byte": lambda row: (row["tokens"] - 1) / row["bytes"],
}


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("by", [*MEASURES, "column"])
def test_documents_stand_in_the_order_of_the_measure(documents, tokenizer, tmp_path, by, descending) -> None:
    config = CurriculumConfig(by=by, column="ease" if by == "column" else None, descending=descending)
    plain = encoded(tmp_path / "plain", documents, tokenizer, EncodeConfig())
    ordered = encoded(tmp_path / "ordered", documents, tokenizer, EncodeConfig(curriculum=config))
    assert by_id(ordered) == by_id(plain)
    ease = {document.id: json.loads(document.meta)["ease"] for document in documents.read("train")}
    value = VALUES.get(by, lambda row: ease[row["id"]])
    for source in ("a", "b"):
        index = ordered.index("train", source)
        assert index["id"].to_pylist() == slow_order(plain, source, lambda row: -value(row) if descending else value(row))
        assert index["start"].to_pylist() == [0, *np.cumsum(index["tokens"].to_pylist())[:-1]]
        assert ordered.index("validation", source).equals(plain.index("validation", source))


def test_workers_batches_pieces_and_ranges_change_no_byte(documents, tokenizer, tmp_path, monkeypatch) -> None:
    """Also when what is sorted goes over disk in small ranges, of which one document may be larger."""
    config = EncodeConfig(curriculum=CurriculumConfig())
    expected = encoded(tmp_path / "once", documents, tokenizer, config).content_hash
    monkeypatch.setattr(work, "IN_PROCESS_BYTES", 0)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1)
    monkeypatch.setattr(curriculum, "RANGE_TOKENS", 64)
    monkeypatch.setattr(curriculum, "_BLOCK_TOKENS", 16)
    for number, (workers, batch) in enumerate([(1, 256), (2, 3), (1, 1)]):
        out = tmp_path / str(number)
        config = EncodeConfig(curriculum=CurriculumConfig(), batch_documents=batch)
        assert encoded(out, documents, tokenizer, config, workers).content_hash == expected
        assert sorted(path.name for path in out.iterdir()) == [
            "manifest.json",
            "shards.json",
            "timings.json",
            "train",
            "validation",
        ]


def test_a_mix_draws_the_same_documents(documents, tokenizer, tmp_path) -> None:
    mix = MixConfig(shares={"a": 1, "b": 3}, tokens=900)
    plain = encoded(tmp_path / "plain", documents, tokenizer, EncodeConfig(mix=mix))
    ordered = encoded(tmp_path / "ordered", documents, tokenizer, EncodeConfig(mix=mix, curriculum=CurriculumConfig()))
    assert by_id(ordered) == by_id(plain)
    assert len(by_id(plain)) < 2 * len(LENGTHS)
    for source in ("a", "b"):
        assert ordered.index("train", source)["id"].to_pylist() == slow_order(plain, source, VALUES["tokens"])


def test_a_column_of_the_documents_is_read(documents, tokenizer, tmp_path) -> None:
    def write(_, job: Job) -> Outcome:
        shutil.copytree(documents.path, job.out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json", "timings.json"))
        for file in (job.out / "documents").iterdir():
            table = pq.read_table(file)
            pq.write_table(table.append_column("perplexity", pa.array(np.arange(len(table), 0, -1) / 3)), file)
        return Outcome({})

    measured = build(Documents, tmp_path / "curate", write)
    config = EncodeConfig(curriculum=CurriculumConfig(by="column", column="perplexity"))
    ordered = encoded(tmp_path / "ordered", measured, tokenizer, config)
    ids = [document.id for document in documents.read("train")][::-1]
    for source in ("a", "b"):
        assert ordered.index("train", source)["id"].to_pylist() == [name for name in ids if name.startswith(source)]
    with pytest.raises(DataError, match=r"document 'a/0' has no number 'perplexty' to order by, .*did you mean 'perplexity'\?"):
        encoded(tmp_path / "x", measured, tokenizer, EncodeConfig(curriculum=CurriculumConfig(by="column", column="perplexty")))
    with pytest.raises(DataError, match="'url' holds string, no numbers"):
        encoded(tmp_path / "y", measured, tokenizer, EncodeConfig(curriculum=CurriculumConfig(by="column", column="url")))


def test_a_column_that_is_missing_is_found_before_the_text_is_encoded(documents, tokenizer, tmp_path, monkeypatch) -> None:
    monkeypatch.delattr("groundup.encode.run.encode_pieces")
    config = EncodeConfig(curriculum=CurriculumConfig(by="column", column="eas"))
    with pytest.raises(DataError, match=r"has no number 'eas'.*did you mean 'ease'\?"):
        encoded(tmp_path / "out", documents, tokenizer, config)


def test_training_reads_the_curriculum_as_it_is(documents, tokenizer, tmp_path) -> None:
    """The windows of the steps, one after another, are the streams from the beginning; shuffled they are not."""
    shards = encoded(tmp_path / "out", documents, tokenizer, EncodeConfig(curriculum=CurriculumConfig()))
    read = {order: _windows(shards, order) for order in ("as_encoded", "shuffled")}
    lengths = {}
    for source in ("a", "b"):
        stream = shards.tokens("train", source)
        windows = (len(stream) - 1) // 8
        own = [row for row in read["as_encoded"] if row[0] == source]
        assert [row[1] for row in own[:windows]] == [stream[8 * k : 8 * k + 9].tolist() for k in range(windows)]
        lengths[source] = windows
    places = [number for number, (source, _) in enumerate(read["as_encoded"]) if source == "b"]
    assert max(np.diff(places[: lengths["b"]])) <= 2 * -(-sum(lengths.values()) // lengths["b"])
    assert read["shuffled"] != read["as_encoded"]
    assert sorted(read["shuffled"][: sum(lengths.values())]) == sorted(read["as_encoded"][: sum(lengths.values())])


def _windows(shards: TokenShards, order: str) -> list[tuple[str, list[int]]]:
    """Return the source of each row of two epochs of training, and its tokens as the batches have them."""
    config = TrainConfig(seq_len=8, batch_tokens=16, order=order)
    reader = BatchReader(
        shards, causal(shards, 8), seed=SEED, batch_sequences=2, micro_batch=1, document_mask=False, course=Course(config, 1000)
    )
    steps = reader.order.epoch_windows  # of two rows each
    rows = [row for step in range(steps) for batch in reader.read(step) for row in _rows(batch)]
    source, _, _ = reader.order.between(0, 2 * steps)
    return list(zip([reader.order.streams[number].name for number in source.tolist()], rows, strict=True))


def _rows(batch: Batch) -> list[list[int]]:
    return torch.cat([batch.inputs.tokens, batch.targets[:, -1:]], dim=1).tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encode": {"curriculum": {}}}, "pretrain.order='shuffled' undoes it; say pretrain.order: as_encoded"),
        ({"encode": {"curriculum": {"by": "column"}}}, "say column: NAME"),
        ({"encode": {"curriculum": {"column": "x"}}}, "column='x' has no effect with by='tokens'"),
        ({"pretrain": {"order": "as_encoded", "packing": "best_fit"}}, "packing='best_fit' puts documents together by what fits"),
    ],
)
def test_settings_that_undo_each_other_are_refused(changes, said, tmp_path) -> None:
    recipe = {"name": "r", "curate": {"sources": [{"name": "s", "path": str(tmp_path)}]}, "budget": {"minutes": 1}}
    with pytest.raises(ConfigError, match=said.replace("'", ".")):
        Recipe.parse({**recipe, **changes}, "r.yaml")
    Recipe.parse({**recipe, "encode": {"curriculum": {}}, "pretrain": {"order": "as_encoded"}}, "r.yaml")


def test_tables_hold_what_the_settings_name() -> None:
    assert {*MEASURES, "column"} == set(get_args(MeasureName))
    assert set(ARRANGEMENTS) == set(get_args(OrderName))
