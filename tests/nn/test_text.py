"""Text continued by a checkpoint, as many tokens as there is room for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from builders import build_documents, build_tokenizer, build_training_run, word_salad
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import ConfigError
from groundup.nn import text as writer
from groundup.nn.generate import generate
from groundup.nn.sampling import Sampler
from groundup.nn.transformer import Transformer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("line")
    documents = build_documents(folder / "curate", [Document("a:0", word_salad(200), "a")], [])
    return build_tokenizer(folder / "tokenizer", documents)


@pytest.mark.parametrize(("length", "expected"), [(32, 31), (101, 100), (200, 100)])
def test_as_many_tokens_as_fit_are_made_at_most_a_hundred(
    tokenizer: Tokenizer, tmp_path: Path, length: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(
        model: Transformer, prompt_ids: Sequence[int], count: int | None, sampler: Sampler, _eos_id: int, **settings: Any
    ) -> Iterator[int]:
        return generate(model, prompt_ids, count, sampler, **settings)

    run = build_training_run(tmp_path / "pretrain", tokenizer, max_seq_len=length)
    monkeypatch.setattr(writer, "generate", endless)
    monkeypatch.setattr(writer, "pieces", lambda tokens, _: map(str, tokens))
    assert len(list(api.generate(run.path, ""))) == expected


def test_more_than_fits_is_refused_when_asked_for(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", tokenizer)
    with pytest.raises(ConfigError, match="ask for 0 to 31 new tokens"):
        api.generate(run.path, "", max_new_tokens=100)
