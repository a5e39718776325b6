"""The held-out score of a model: exact, the same each time, and without a trace in the run."""

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import packed_rows
from builders import build_documents, build_shards, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import DataError
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.tokenizer.config import SpecialConfig
from groundup.train.hooks.evaluation import Evaluation, read_evaluations
from groundup.train.hooks.held_out import HeldOut, evaluating, text_bytes
from groundup.train.loss import IGNORE
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.vocabulary import Vocabulary

SEQ_LEN = 16
CPU = torch.device("cpu")
EXACT = 1e-6  # float32 logits summed in float32 over a batch, against float64
SPECIAL = SpecialConfig(pad=True, mask=True, sep=True, fill=True, sentinels=20, modes=("R", "S", "X"))
ALL_TOKENS = 10**6


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return build_tokenizer(
        folder / "tokenizer", build_documents(folder / "curate", [Document("a:0", word_salad(600), "a")], []), 380, SPECIAL
    )


@pytest.fixture(scope="module")
def shards(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    """Two sources, one with documents of several lengths."""
    train = [Document(f"{name}:t", word_salad(60), name) for name in "ab"]
    held_out = [Document(f"a:{i}", word_salad(9 + 40 * i, i), "a") for i in range(4)] + [Document("b:0", word_salad(60, 9), "b")]
    folder = tmp_path_factory.mktemp("shards")
    return build_shards(folder / "encode", build_documents(folder / "curate", train, held_out), tokenizer)


def model_of(shape: str = "decoder", **changes: Any) -> Transformer:
    sizes = {"vocab_size": 380, "dim": 16, "num_layers": 2, "num_heads": 2, "num_kv_heads": 2, "ffn_dim": 32, "max_seq_len": 32}
    encoder = {"num_encoder_layers": 1} if shape == "encoder_decoder" else {}
    model = build_model(ModelConfig.parse({**sizes, **encoder, "shape": shape, "init_std": 0.3, **changes}, "test"))
    model.init_weights(torch.Generator().manual_seed(1))
    return model


def exactly() -> contextlib.AbstractContextManager[Any]:
    return torch.autocast("cpu", enabled=False)


def objective_of(tokenizer: Tokenizer, variant: tuple[str, str, dict]) -> Objective:
    return packed_rows.build(*variant, vocabulary=Vocabulary.of(tokenizer.text))


def test_bits_per_byte_of_all_held_out_text_is_exact(shards: TokenShards) -> None:
    """Against one window after the other in float64, and bytes counted token by token."""
    model = model_of()
    score = HeldOut(shards, packed_rows.causal(shards, SEQ_LEN), False, ALL_TOKENS, rows=3).score(model, exactly())
    model.double()
    for source in shards.info.sources:
        stream = torch.from_numpy(np.asarray(shards.tokens("validation", source.name)).astype(np.int64))
        rows = stream.unfold(0, SEQ_LEN + 1, SEQ_LEN)
        logits = model(Inputs(rows[:, :-1]))
        nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum").item()
        each = [size / tokens for _, tokens, size in documents(shards, source.name) for _ in range(tokens)]
        found, size = score["by_source"][source.name], sum(each[1 : rows[:, 1:].numel() + 1])
        assert found["targets"] == rows[:, 1:].numel()
        assert found["loss"] == pytest.approx(nats / found["targets"], rel=EXACT)
        assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=EXACT)
        assert found["perplexity"] == pytest.approx(math.exp(nats / found["targets"]), rel=10 * EXACT)
    parts = score["by_source"].values()
    assert score["targets"] == sum(part["targets"] for part in parts)
    assert score["loss"] == pytest.approx(sum(part["loss"] * part["targets"] for part in parts) / score["targets"])


def documents(shards: TokenShards, source: str) -> list[tuple[str, int, int]]:
    return [(row["id"], row["tokens"], row["bytes"]) for row in shards.index("validation", source).to_pylist()]


def test_bytes_of_whole_documents_are_their_own(shards: TokenShards) -> None:
    start = 0
    for name, tokens, size in documents(shards, "a"):
        assert text_bytes(shards, "a", np.array([start]), tokens) == pytest.approx(size), name
        start += tokens
    assert text_bytes(shards, "a", np.arange(0, start, 7), 7) == pytest.approx(sum(size for _, _, size in documents(shards, "a")))


@pytest.mark.parametrize("variant", packed_rows.variants(), ids=packed_rows.name_of)
def test_every_objective_is_scored_on_what_it_hides(
    shards: TokenShards, tokenizer: Tokenizer, variant: tuple[str, str, dict]
) -> None:
    """Against plain cross-entropy of the logits, with all rows in one batch; and twice the same."""
    objective, model = objective_of(tokenizer, variant), model_of(variant[1])
    held_out = HeldOut(shards, objective, True, ALL_TOKENS, rows=2)
    score = held_out.score(model, exactly())
    nats = 0.0
    with evaluating(model):
        for source in held_out.sources:
            for batch in source.batches:
                logits = model(batch.inputs).flatten(0, 1)
                nats += torch.nn.functional.cross_entropy(
                    logits, batch.targets.flatten(), ignore_index=IGNORE, reduction="sum"
                ).item()
    assert score["loss"] == pytest.approx(nats / score["targets"], rel=10 * EXACT)
    assert ("bits_per_byte" in score) == (variant[0] == "causal")
    assert HeldOut(shards, objective, True, ALL_TOKENS, rows=2).score(model, exactly()) == score
    assert HeldOut(shards, objective, True, ALL_TOKENS, rows=5).score(model, exactly())["loss"] == pytest.approx(
        score["loss"], rel=EXACT
    )


def test_a_choice_of_rows_is_spread_over_all_text_by_share(shards: TokenShards) -> None:
    objective = packed_rows.causal(shards, SEQ_LEN)
    whole = {source.name: source.targets for source in HeldOut(shards, objective, True, ALL_TOKENS, 4).sources}
    half = {source.name: source.targets for source in HeldOut(shards, objective, True, sum(whole.values()) // 2, 4).sources}
    least = {source.name: source.targets for source in HeldOut(shards, objective, True, 1, 4).sources}
    assert all(0.5 * whole[name] - SEQ_LEN < half[name] <= 0.5 * whole[name] for name in whole)
    assert least == dict.fromkeys(whole, SEQ_LEN)


def test_scoring_leaves_no_trace(shards: TokenShards) -> None:
    model = model_of(dropout=0.5, attention_dropout=0.5).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    random, held_out = torch.get_rng_state(), HeldOut(shards, packed_rows.causal(shards, SEQ_LEN), True, ALL_TOKENS, 4)
    assert held_out.score(model, exactly()) == held_out.score(model, exactly())
    with contextlib.suppress(ZeroDivisionError), evaluating(model):
        assert not model.training
        torch.rand(1)
        raise ZeroDivisionError
    assert model.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(weight.grad is None for weight in model.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_too_little_text_is_an_error(tokenizer: Tokenizer, tmp_path: Path) -> None:
    curated = build_documents(tmp_path / "curate", [Document("a:0", word_salad(60), "a")], [Document("a:1", "the array", "a")])
    shards = build_shards(tmp_path / "encode", curated, tokenizer)
    with pytest.raises(DataError, match="the validation text is too short"):
        HeldOut(shards, packed_rows.causal(shards, SEQ_LEN), True, ALL_TOKENS, 4)


def evaluation(shards: TokenShards, path: Path, model: Transformer, max_tokens: int = 64) -> Evaluation:
    return Evaluation(path, 3, HeldOut(shards, packed_rows.causal(shards, SEQ_LEN), True, max_tokens, 4), model, exactly())


def go(hook: Evaluation, first: int, last: int, of: int = 10) -> list[str | None]:
    return [hook({"step": step, "tokens": 64 * step, "last": step == of}) for step in range(first, last + 1)]


def test_each_step_stands_there_once_whatever_comes_again(shards: TokenShards, tmp_path: Path) -> None:
    path, model = tmp_path / "evaluations.jsonl", model_of()
    told = go(evaluation(shards, path, model), 1, 7)
    assert told[:2] == [None, None]
    assert told[6] == f"held-out {read_evaluations(path)[-1]['loss']:.3f}"
    again = evaluation(shards, path, model)
    go(again, 5, 9)  # gone on after step 4
    assert [row["step"] for row in read_evaluations(path)] == [3, 6, 9]
    go(again, 4, 10)  # gone back to step 3
    rows = read_evaluations(path)
    assert [row["step"] for row in rows] == [3, 6, 9, 10]
    assert len({row["loss"] for row in rows}) == 1  # the weights are the same all along
    assert rows[0]["tokens"] == 192


def test_a_row_cut_short_by_a_kill_is_made_again(shards: TokenShards, tmp_path: Path) -> None:
    path, model = tmp_path / "evaluations.jsonl", model_of()
    go(evaluation(shards, path, model), 1, 3)
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    go(evaluation(shards, path, model), 4, 6)
    assert [row["step"] for row in read_evaluations(path)] == [3, 6]


def test_rows_of_other_text_are_not_mixed_in(shards: TokenShards, tmp_path: Path) -> None:
    path, model = tmp_path / "evaluations.jsonl", model_of()
    go(evaluation(shards, path, model), 1, 3)
    assert evaluation(shards, path, model, max_tokens=ALL_TOKENS).rows == []


def test_a_loss_that_is_no_number_is_told_and_not_kept(
    shards: TokenShards, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of()
    model.head.weight.data.fill_(math.nan)
    go(evaluation(shards, tmp_path / "evaluations.jsonl", model), 3, 3)
    assert "step 3: the loss on held-out text is nan" in capsys.readouterr().err
    assert read_evaluations(tmp_path / "evaluations.jsonl") == []
