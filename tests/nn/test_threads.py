from pathlib import Path

import pytest
import torch

from builders import build_documents, build_tokenizer, build_training_run, word_salad
from groundup.artifacts.build import Order, Outcome, seal
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.documents import Document
from groundup.core.config import Config
from groundup.nn.threads import threads, threads_of


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("line")
    documents = build_documents(folder / "curate", [Document("a:0", word_salad(200), "a")], [])
    return build_training_run(folder / "pretrain", build_tokenizer(folder / "tokenizer", documents)).final


def sealed(folder: Path, counts: dict[str, int]) -> Checkpoint:
    folder.mkdir()
    seal(Order("pretrain", Checkpoint.kind, folder, Config(), 0), Outcome(counts=counts))
    return Checkpoint.open(folder)


def test_threads_are_put_back_whatever_happens() -> None:
    def fail() -> None:
        with threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise ZeroDivisionError

    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.get_num_threads() == before


def test_a_checkpoint_brings_its_own_number(checkpoint: Checkpoint) -> None:
    with threads(2), threads_of(checkpoint):
        assert torch.get_num_threads() == 1


def test_never_more_than_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with threads_of(sealed(tmp_path / "checkpoint", {"step": 1, "num_threads": 64})):
        assert torch.get_num_threads() == 2


def test_a_checkpoint_that_does_not_say_leaves_the_number(tmp_path: Path) -> None:
    with threads(1), threads_of(sealed(tmp_path / "checkpoint", {"step": 1})):
        assert torch.get_num_threads() == 1
