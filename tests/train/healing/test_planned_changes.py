"""Changes of the data that are meant are no faults."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import builders
import planted_faults as planted
from groundup.artifacts.documents import Document
from groundup.core.errors import DivergedError, StorageError
from groundup.train.batches import BatchReader
from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.healing.config import HealingConfig
from planted_faults import ROWS, SEQ_LEN, FaultyRun, NothingToPredict, Setting, Text, in_bytes, told

FAULTY, CHANGE = 34, 40
CHANGED = Setting(steps=80, every=8, first=FAULTY, last=FAULTY + 1, dim=16)
HEALING = HealingConfig(window=24, skips=2, calm_steps=6, rollbacks=1)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    """Two sources of nothing in common: one sentence again and again, and digits."""
    folder, dice = tmp_path_factory.mktemp("text"), np.random.default_rng(0)
    documents = [Document(f"words:{number}", "So it goes on and on. " * (200 + number), "words") for number in range(20)]
    documents += [Document(f"digits:{number}", "".join(map(str, dice.integers(0, 10, 2000))), "digits") for number in range(40)]
    curated = builders.build_documents(folder / "curate", documents, [])
    tokenizer = builders.build_tokenizer(folder / "tokenizer", curated, 512)
    return Text(builders.build_shards(folder / "encode", curated, tokenizer), tokenizer.path)


@dataclass(frozen=True)
class MixedRun(FaultyRun):
    """The sentence, of which one batch has nothing to predict, and then digits."""

    told_of: bool = True
    """Whether healing knows that the text changes."""

    def reader(self) -> BatchReader:
        parts = [{"from_step": 0, "weights": {"digits": 0}}, {"from_step": CHANGE, "weights": {"digits": 1, "words": 0}}]
        config = TrainConfig.parse({"seq_len": SEQ_LEN, "batch_tokens": SEQ_LEN * ROWS, "mixture": parts}, "test")
        objective, course = planted.causal(self.text.shards, SEQ_LEN), Course(config, self.setting.steps)
        reader = BatchReader(
            self.text.shards, objective, seed=0, batch_sequences=ROWS, micro_batch=ROWS, document_mask=True, course=course
        )
        reader = NothingToPredict(reader, range(FAULTY * ROWS, FAULTY * ROWS + ROWS))
        return reader if self.told_of else Untold(reader)


class Untold(NothingToPredict):
    def __init__(self, reader: NothingToPredict) -> None:
        self.__dict__.update(vars(reader))

    def planned_changes(self, step: int, shift: int = 0) -> int:
        return 0


@pytest.fixture(scope="module")
def whole(text: Text, tmp_path_factory: pytest.TempPathFactory) -> MixedRun:
    return MixedRun(text, tmp_path_factory.mktemp("mixed") / "run", CHANGED, HEALING).go()


def test_other_text_on_purpose_is_no_spike(whole: MixedRun, tmp_path: Path) -> None:
    """A batch was passed over before, so the change comes a step early."""
    assert [(event["event"], event["step"]) for event in whole.events()] == [("skip", FAULTY + 1)]
    assert np.diff([row["loss"] for row in whole.rows()]).argmax() + 1 == CHANGE - 1
    with pytest.raises(DivergedError, match=r"loss .* is above .*: diverged"):
        replace(whole, out=tmp_path / "untold", told_of=False).go()


@pytest.mark.parametrize("attempts", [CHANGE - 1, CHANGE + 2])
def test_a_run_interrupted_near_the_change_ends_the_same(attempts: int, whole: MixedRun, tmp_path: Path) -> None:
    again = replace(whole, out=tmp_path / "again")
    with pytest.raises(StorageError, match="planted"):
        replace(again, attempts=attempts).go()
    assert in_bytes(again.go()) == in_bytes(whole)
    assert told(again) == told(whole)
