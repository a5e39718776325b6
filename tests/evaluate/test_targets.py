"""The held-out loss of an objective, against a slow exact one."""

from pathlib import Path

import numpy as np
import pytest
import torch

import models
from builders import build_documents, build_shards, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import DataError
from groundup.evaluate.targets import score_batch, score_objective
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.batches import RowReader
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary

LENGTH = 16
ROUNDING = 1e-4  # sums of float32 in another order


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    folder = tmp_path_factory.mktemp("shards")
    documents = [Document(f"a:{number}", word_salad(60, number), "a") for number in range(12)]
    curated = build_documents(folder / "curate", documents[:8], documents[8:])
    return build_shards(folder / "encode", curated, build_tokenizer(folder / "tokenizer", curated))


@pytest.fixture(scope="module")
def objective(shards: TokenShards) -> Objective:
    size = shards.info.vocab_size
    vocabulary = Vocabulary(size + 1, SpecialTokens(shards.info.eos_id, mask_id=size))
    return build_objective(ObjectiveConfig(name="masked"), vocabulary, LENGTH, "encoder")


@pytest.fixture(scope="module")
def model(shards: TokenShards) -> Transformer:
    return models.small_model(shape="encoder", vocab_size=shards.info.vocab_size + 1, max_seq_len=LENGTH)


def rows_of(shards: TokenShards, split: str, objective: Objective) -> torch.Tensor:
    """Return the targets of every window of the split, one by one."""
    reader = RowReader(shards, split, objective, seed=0, document_mask=True)
    batches = [objective(reader.rows(*(np.array([n]) for n in (0, window, 0)))) for window in range(reader.streams[0].windows)]
    return torch.cat([batch.targets[batch.targets != IGNORE] for batch in batches])


def test_score_is_the_mean_over_all_targets(shards: TokenShards, objective: Objective, model: Transformer) -> None:
    found = score_objective(model, objective, shards, document_mask=True, max_tokens=10**9, batch=3)
    reader = RowReader(shards, "validation", objective, seed=0, document_mask=True)
    nats, right, targets = 0.0, 0, 0
    for window in range(reader.streams[0].windows):
        batch = objective(reader.rows(*(np.array([number]) for number in (0, window, 0))))
        log_probs = torch.log_softmax(model(batch.inputs), dim=-1)[0]
        for place in torch.nonzero(batch.targets[0] != IGNORE)[:, 0].tolist():
            target = int(batch.targets[0, place])
            nats -= log_probs[place, target].item()
            right += int(log_probs[place].argmax()) == target
            targets += 1
    assert found["targets"] == targets > 20
    assert found["nll_per_target"] == pytest.approx(nats / targets, abs=ROUNDING)
    assert found["accuracy"] == pytest.approx(right / targets, abs=1e-6)


def test_unigram_is_counted_on_the_training_targets(shards: TokenShards, objective: Objective, model: Transformer) -> None:
    found = score_objective(model, objective, shards, document_mask=True, max_tokens=10**9, batch=3)["unigram"]
    counts = np.ones(model.config.vocab_size)
    for token in rows_of(shards, "train", objective).tolist():
        counts[token] += 1
    held_out = rows_of(shards, "validation", objective).tolist()
    probs = counts / counts.sum()
    assert found["nll_per_target"] == pytest.approx(-np.mean([np.log(probs[token]) for token in held_out]), abs=1e-6)
    assert found["accuracy"] == pytest.approx(np.mean([token == probs.argmax() for token in held_out]), abs=1e-6)


def test_batches_change_nothing(shards: TokenShards, objective: Objective, model: Transformer) -> None:
    found = [score_objective(model, objective, shards, True, 10**9, batch)["nll_per_target"] for batch in (1, 4, 100)]
    assert max(found) - min(found) < ROUNDING


def test_some_windows_are_taken_where_there_are_too_many(shards: TokenShards, objective: Objective, model: Transformer) -> None:
    every, some = (score_objective(model, objective, shards, True, tokens, 3)["targets"] for tokens in (10**9, 4 * LENGTH))
    assert 0 < some < every


def test_too_little_held_out_text_is_said(tmp_path: Path, model: Transformer) -> None:
    curated = build_documents(tmp_path / "curate", [Document("a:0", word_salad(60), "a")], [Document("a:1", "x", "a")])
    shards = build_shards(tmp_path / "encode", curated, build_tokenizer(tmp_path / "tokenizer", curated))
    size = shards.info.vocab_size
    vocabulary = Vocabulary(size + 1, SpecialTokens(shards.info.eos_id, mask_id=size))
    objective = build_objective(ObjectiveConfig(name="masked"), vocabulary, LENGTH, "encoder")
    with pytest.raises(DataError, match="validation text is too short"):
        score_objective(model, objective, shards, True, 10**9, 3)


def test_a_batch_without_targets_scores_nothing(model: Transformer) -> None:
    nothing = Batch(Inputs(torch.ones(2, LENGTH, dtype=torch.int64)), torch.full((2, LENGTH), IGNORE))
    score = score_batch(model, nothing)
    assert (score.nats, score.right, score.targets) == (0.0, 0, 0)
