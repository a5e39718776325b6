import shutil
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import builders
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ConfigError, DataError, StorageError
from groundup.train.batch import Batch
from groundup.train.batches import BatchReader, ReadAhead, RowReader, document_ids
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.layout import PADDING
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary
from packed_rows import causal

EOS = 0


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    folder = tmp_path_factory.mktemp("shards")
    documents = [
        Document(f"{source}:{number}", builders.word_salad(length, number), source)
        for source, count, length in (("long", 3, 400), ("short", 30, 8))
        for number in range(count)
    ]
    curated = builders.build_documents(folder / "curate", documents, [], {"long": 1.0, "short": 2.0})
    return builders.build_shards(folder / "encode", curated, builders.build_tokenizer(folder / "tokenizer", curated))


def reader(shards: TokenShards, seed: int = 0, micro_batch: int = 2, seq_len: int = 16, document_mask: bool = True) -> BatchReader:
    return BatchReader(
        shards, causal(shards, seq_len), seed=seed, batch_sequences=8, micro_batch=micro_batch, document_mask=document_mask
    )


def joined(batches: list[Batch]) -> torch.Tensor:
    return torch.cat([torch.cat([batch.inputs.tokens, batch.targets[:, -1:]], dim=1) for batch in batches])


def test_rows_are_the_windows_of_the_streams(shards: TokenShards) -> None:
    read = reader(shards)
    names = [stream.name for stream in read.order.streams]
    rows = joined([batch for step in range(5) for batch in read.read(step)])
    sources, windows, _ = read.order.at(np.arange(40, dtype=np.int64))
    for row, source, window in zip(rows, sources, windows, strict=True):
        expected = shards.tokens("train", names[source])[window * 16 : window * 16 + 17].astype(np.int64)
        assert torch.equal(row, torch.from_numpy(expected))


def test_targets_follow_inputs(shards: TokenShards) -> None:
    for batch in reader(shards).read(0):
        assert batch.inputs.tokens.dtype == batch.targets.dtype == torch.int64
        assert torch.equal(batch.inputs.tokens[:, 1:], batch.targets[:, :-1])


def test_the_rows_of_a_step_do_not_depend_on_the_micro_batch(shards: TokenShards) -> None:
    whole = [joined(reader(shards, micro_batch=8).read(step)) for step in range(3)]
    for micro_batch in (1, 2, 4):
        parts = reader(shards, micro_batch=micro_batch)
        assert all(len(batch.inputs.tokens) == micro_batch for batch in parts.read(0))
        assert all(torch.equal(joined(parts.read(step)), rows) for step, rows in enumerate(whole))


def test_seed_changes_the_rows(shards: TokenShards) -> None:
    assert not torch.equal(joined(reader(shards, seed=0).read(0)), joined(reader(shards, seed=1).read(0)))


def test_reading_ahead_changes_nothing(shards: TokenShards) -> None:
    read = reader(shards)
    asked = [(3, 0), (4, 0), (4, 8), (4, 21), (5, 21), (3, 21), (4, 21), (8, 21)]
    with ReadAhead(read, 9) as ahead:
        for step, shift in asked:
            assert torch.equal(joined(ahead.read(step, shift)), joined(read.read(step, shift)))


def test_places_passed_over_are_left_out_of_the_order(shards: TokenShards) -> None:
    read = reader(shards)
    assert torch.equal(joined(read.read(2, shift=8)), joined(read.read(3)))
    assert read.places(2, shift=3) == range(19, 27)
    halves = torch.cat([joined(read.read(2))[4:], joined(read.read(3))[:4]])
    assert torch.equal(joined(read.read(2, shift=4)), halves)


def test_windows_of_places_are_those_that_are_read(shards: TokenShards) -> None:
    read = reader(shards)
    sources, windows, _ = read.order.at(np.arange(16, 24))
    names = [stream.name for stream in read.order.streams]
    found = sorted((names[source], int(window)) for source, window in zip(sources, windows, strict=True))
    assert [(name, number) for name, numbers in sorted(read.windows(read.places(2)).items()) for number in numbers] == found


def test_document_ids_count_the_ends_up_to_each_token() -> None:
    tokens = np.array([[5, EOS, 6, 7, EOS, EOS, 8], [1, 2, 3, 4, 5, 6, 7]])
    ids = document_ids(tokens, EOS)
    assert ids.tolist() == [[0, 1, 1, 1, 2, 3, 3], [0] * 7]


def test_no_document_ids_if_no_row_holds_two_documents(shards: TokenShards) -> None:
    assert all(batch.inputs.document_ids is None for batch in reader(shards, document_mask=False).read(0))
    assert any(batch.inputs.document_ids is not None for step in range(10) for batch in reader(shards).read(step))


def test_corpus_shorter_than_a_sequence(shards: TokenShards) -> None:
    longest = max(source.tokens["train"] for source in shards.info.sources)
    with pytest.raises(DataError, match=f"{longest:,} tokens.*takes 9,001.*seq_len below"):
        reader(shards, seq_len=9000)


def test_source_shorter_than_a_sequence_is_left_out(shards: TokenShards, capsys: pytest.CaptureFixture[str]) -> None:
    shortest = min(source.tokens["train"] for source in shards.info.sources)
    read = reader(shards, seq_len=shortest)
    assert [stream.name for stream in read.order.streams] == ["long"]
    assert read.read(0)


def test_a_sequence_as_long_as_the_corpus_allows(shards: TokenShards) -> None:
    longest = max(source.tokens["train"] for source in shards.info.sources)
    assert joined(reader(shards, seq_len=longest - 1).read(0)).shape == (8, longest)


def test_paths_are_not_needed_after_opening(shards: TokenShards, tmp_path: Path) -> None:
    """The streams are mapped once: a reader goes on while its folder is renamed."""
    folder = tmp_path / "moved"
    read = reader(shards)
    before = joined(read.read(1))
    shards.path.rename(folder)
    try:
        assert torch.equal(joined(read.read(1)), before)
    finally:
        folder.rename(shards.path)


def on_course(shards: TokenShards, steps: int = 12, objective: Objective | None = None, **changes: Any) -> BatchReader:
    config = TrainConfig.parse({"seq_len": 16, "batch_tokens": 128, **changes}, "test")
    return BatchReader(
        shards,
        objective or causal(shards, 16),
        seed=0,
        batch_sequences=8,
        micro_batch=4,
        document_mask=True,
        course=Course(config, steps),
    )


def test_a_growing_batch_reads_the_same_rows_in_the_same_order(shards: TokenShards) -> None:
    grown = on_course(shards, batch_ramp={"start_tokens": 48, "increment_tokens": 16, "over_tokens": 300})
    plain = reader(shards)
    rows = torch.cat([joined(grown.read(step)) for step in range(12)])
    assert torch.equal(rows, torch.cat([joined(plain.read(step)) for step in range(12)])[: len(rows)])
    sizes = [sum(len(batch.targets) for batch in grown.read(step)) for step in range(12)]
    assert sizes[0] == 3 and sizes[-1] == 8 and sorted(sizes) == sizes  # noqa: PT018
    assert [grown.step_tokens(step) for step in range(12)] == [16 * size for size in sizes]
    assert all(len(batch.targets) <= 4 for step in range(12) for batch in grown.read(step))


def test_shorter_rows_are_the_parts_of_the_same_windows(shards: TokenShards) -> None:
    short = on_course(shards, lengths=[{"seq_len": 4, "until_fraction": 0.3}, {"seq_len": 8, "until_fraction": 0.6}])
    plain = reader(shards)
    for step in range(12):
        rows, whole = joined(short.read(step)), joined(plain.read(step))
        length = rows.shape[1] - 1
        assert length == (4 if step < 4 else 8 if step < 8 else 16)
        parts = whole.unfold(1, length + 1, length).reshape(-1, length + 1)
        assert torch.equal(rows, parts)
        assert short.step_tokens(step) == 128
        assert all(len(batch.targets) == 4 * 16 // length for batch in short.read(step))


def test_parts_of_a_window_hide_different_places(shards: TokenShards) -> None:
    read = on_course(shards, objective=masked(shards), lengths=[{"seq_len": 8, "until_fraction": 0.5}])
    hidden = torch.cat([batch.targets for batch in read.read(0)]) != IGNORE
    assert hidden.shape == (16, 8)
    assert len({tuple(row) for row in hidden.tolist()}) > 4


def test_sources_seen_are_counted(shards: TokenShards) -> None:
    read = on_course(shards, steps=30, mixture=[{"from_step": 11, "weights": {"long": 0.0}}])
    names = [stream.name for stream in read.order.streams]
    for steps in (0, 5, 11, 30):
        sources = np.concatenate([read.order.at(np.arange(8 * step, 8 * step + 8))[0] for step in range(steps)] or [[]])
        for number, stream in enumerate(read.order.streams):
            windows = int((sources == number).sum())
            assert read.seen(steps)[names[number]] == {
                "windows": windows,
                "tokens": 16 * windows,
                "epochs": windows / stream.windows,
            }
    assert read.seen(11)["long"] == read.seen(30)["long"]


def test_what_was_passed_over_is_not_seen(shards: TokenShards) -> None:
    read = on_course(shards, steps=30, mixture=[{"from_step": 11, "weights": {"long": 0.5}}])
    ranges = [(40, 48), (80, 107)]
    kept = [place for place in range(30 * 8 + 35) if not any(first <= place < end for first, end in ranges)]
    sources = read.order.at(np.array(kept))[0]
    seen = read.seen(30, ranges)
    assert [seen[stream.name]["windows"] for stream in read.order.streams] == np.bincount(sources).tolist()


def test_a_growing_batch_reads_place_after_place(shards: TokenShards) -> None:
    read = on_course(shards, steps=30, batch_ramp={"start_tokens": 32, "over_tokens": 640})
    assert read.places(0, shift=5) == range(5, 7)
    places = [read.places(step, shift=5) for step in range(30)]
    assert all(before.stop == after.start for before, after in pairwise(places))
    assert {len(step) for step in places} == {2, 4, 6, 8}
    assert [read.step_tokens(step) for step in range(30)] == [16 * len(step) for step in places]


def test_changes_by_plan_are_counted_where_their_text_is_read(shards: TokenShards) -> None:
    mixture = [{"from_step": 10, "weights": {"long": 0.5}}, {"from_step": 20, "weights": {"long": 1.0}}]
    lengths = [{"seq_len": 4, "until_tokens": 128 * 5}, {"seq_len": 8, "until_tokens": 128 * 15}]
    read = on_course(shards, steps=30, mixture=mixture, lengths=lengths)
    counts = [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5 + [4] * 10
    assert [read.planned_changes(step) for step in range(30)] == counts
    assert [read.planned_changes(step, shift=1) for step in (4, 8, 9, 19)] == [0, 1, 2, 4]  # its last row is of the new mixture
    grown = on_course(shards, steps=30, batch_ramp={"start_tokens": 32, "over_tokens": 640})
    assert {grown.planned_changes(step) for step in range(30)} == {0}


def test_the_time_that_batches_are_waited_for_is_summed(shards: TokenShards) -> None:
    class Slow(BatchReader):
        def __init__(self, reader: BatchReader) -> None:
            self.__dict__.update(vars(reader))

        def read(self, step: int, shift: int = 0) -> list[Batch]:
            time.sleep(0.05)
            return super().read(step, shift)

    with ReadAhead(Slow(reader(shards)), 3) as ahead:
        for step in (0, 2):
            ahead.read(step)
        assert ahead.wait_s() >= 0.1
        assert ahead.wait_s() == 0


def test_an_unknown_source_of_a_mixture_is_told(shards: TokenShards) -> None:
    with pytest.raises(ConfigError, match=r"no source 'lang' .*did you mean 'long'"):
        on_course(shards, mixture=[{"from_step": 3, "weights": {"lang": 1.0}}])


def test_packed_rows_are_learned_as_they_are_packed(shards: TokenShards) -> None:
    read = on_course(shards, packing="best_fit")
    assert [stream.windows for stream in read.order.streams] == [packing.rows for packing in read.packings.values()]
    seen: dict[str, list[int]] = {name: [] for name in read.packings}
    names = list(read.packings)
    for step in range(-(-read.order.epoch_windows // 8)):
        places = np.arange(8 * step, 8 * step + 8)
        rows = [row for batch in read.read(step) for row in causal(shards, 16).restore(batch)]
        for row, source, window, times in zip(rows, *read.order.at(places), strict=True):
            if times == 0:
                seen[names[source]] += row[1:]
                packing = read.packings[names[source]]
                length = packing.read(shards.tokens("train", names[source]), np.array([window]), shards.info.eos_id)[1][0]
                assert len(row) == length
    long = shards.tokens("train", "long")
    assert sorted(seen["long"]) == sorted(long.tolist())  # of weight 1: each token once in a mixed epoch


def test_packed_rows_do_not_depend_on_the_micro_batch_and_leave_no_target_in_padding(shards: TokenShards) -> None:
    read = on_course(shards, packing="best_fit")
    for step in range(20):
        for batch in read.read(step):
            ids = batch.inputs.document_ids
            if ids is not None:
                assert (batch.targets[ids == PADDING] == IGNORE).all()
                assert (batch.targets[:, :-1][(ids[:, 1:] != PADDING)] != IGNORE).all()


def test_short_rows_of_packed_documents_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"lengths cut rows from windows .* packing='best_fit' has none"):
        TrainConfig.parse({"packing": "best_fit", "lengths": [{"seq_len": 64, "until_fraction": 0.1}]}, "recipe")


def masked(shards: TokenShards) -> Objective:
    size = shards.info.vocab_size
    vocabulary = Vocabulary(size + 1, SpecialTokens(shards.info.eos_id, mask_id=size))
    return build_objective(ObjectiveConfig(name="masked"), vocabulary, 16, "encoder")


def masked_rows(shards: TokenShards, step: int, micro_batch: int = 8, seed: int = 0) -> torch.Tensor:
    read = BatchReader(shards, masked(shards), seed=seed, batch_sequences=8, micro_batch=micro_batch, document_mask=True)
    return torch.cat([torch.cat([batch.inputs.tokens, batch.targets], dim=1) for batch in read.read(step)])


def test_what_is_hidden_depends_on_seed_and_step_alone(shards: TokenShards) -> None:
    for step in (0, 7):
        assert torch.equal(masked_rows(shards, step), masked_rows(shards, step, micro_batch=2))
    assert not torch.equal(masked_rows(shards, 0), masked_rows(shards, 0, seed=1))


def test_another_epoch_hides_other_tokens_of_the_same_text(shards: TokenShards) -> None:
    objective = masked(shards)
    rows = RowReader(shards, "train", objective, seed=0, document_mask=True)
    first, second = (objective(rows.rows(np.array([0]), np.array([3]), np.array([times]))) for times in (0, 1))
    assert objective.restore(first) == objective.restore(second)
    assert not torch.equal(first.targets, second.targets)


def test_what_the_disk_refuses_is_waited_for(shards: TokenShards, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = TokenShards.open(Path(shutil.copytree(shards.path, tmp_path / "encode")))
    expected, broken = reader(shards), reader(copied)
    file = copied.path / "train" / "long.bin"
    whole = file.read_bytes()
    with ReadAhead(broken, 3, patience_s=5.0) as ahead:
        assert torch.equal(joined(ahead.read(0)), joined(expected.read(0)))
        file.write_bytes(whole[:8])
        back = threading.Timer(0.5, file.write_bytes, [whole])
        back.start()
        assert torch.equal(joined(ahead.read(1)), joined(expected.read(1)))
        assert torch.equal(joined(ahead.read(2)), joined(expected.read(2)))
    back.join()
    assert "ends before token" in capsys.readouterr().err


def test_a_disk_that_goes_on_refusing_ends_the_run(shards: TokenShards, tmp_path: Path) -> None:
    copied = TokenShards.open(Path(shutil.copytree(shards.path, tmp_path / "encode")))
    read = reader(copied)
    for file in (copied.path / "train").glob("*.bin"):
        file.unlink()
    with ReadAhead(read, 3) as ahead, pytest.raises(StorageError, match="No such file"):
        ahead.read(0)
