"""The evaluate stage: one set of held-out documents for model and baselines, the same result every time."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from builders import build, build_documents, build_shards, build_tokenizer, build_training_run, word_salad
from groundup.artifacts.checkpoint import TrainingRun
from groundup.artifacts.documents import Document, Documents
from groundup.artifacts.reports import Evaluation
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.evaluate import pieces, text
from groundup.evaluate.baselines import BASELINES
from groundup.evaluate.config import EvaluateConfig
from groundup.evaluate.held_out import choose_held_out
from groundup.evaluate.run import run
from groundup.evaluate.text import evaluate_text
from groundup.nn.threads import threads

VALIDATION = [Document(f"{'ab'[i % 2]}/v{i}", text, "ab"[i % 2]) for i, text in enumerate([word_salad(400, 9), "x", "", "end\n"])]
CONFIG = EvaluateConfig(prompts=("The array", ""), sample_tokens=8)


class Line:
    """The stages before evaluate, small."""

    def __init__(self, folder: Path, validation: list[Document]) -> None:
        train = [Document(f"{'ab'[i % 2]}/{i}", word_salad(200, i), "ab"[i % 2]) for i in range(6)]
        self.documents: Documents = build_documents(folder / "curate", train, validation)
        self.tokenizer = build_tokenizer(folder / "tokenizer", self.documents)
        self.shards: TokenShards = build_shards(folder / "encode", self.documents, self.tokenizer)
        self.run: TrainingRun = build_training_run(folder / "pretrain", self.tokenizer)

    def evaluate(self, out: Path, config: EvaluateConfig = CONFIG) -> Evaluation:
        inputs = {"curate": self.documents, "encode": self.shards, "pretrain": self.run}
        return build(Evaluation, out, run, config, inputs)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"), VALIDATION)


@pytest.fixture(scope="module")
def evaluation(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return line.evaluate(tmp_path_factory.mktemp("evaluation") / "evaluate")


def test_result_counts_everything_once(evaluation: Evaluation, line: Line) -> None:
    result = evaluation.result
    assert result["tokens"] == line.shards.total("tokens", "validation")
    assert result["bytes"] == sum(len(document.text.encode()) for document in VALIDATION)
    assert result["documents"] == len(VALIDATION)
    assert tuple(result["baselines"]) == tuple(BASELINES)
    assert set(result["by_source"]) == {"a", "b"}
    for key in ("tokens", "bytes", "documents"):
        assert sum(source[key] for source in result["by_source"].values()) == result[key]
    bits = sum(source["bits_per_byte"] * source["bytes"] for source in result["by_source"].values())
    assert bits == pytest.approx(result["bits_per_byte"] * result["bytes"], abs=1e-2)
    assert [sample["prompt"] for sample in result["samples"]] == ["The array", ""]
    assert evaluation.manifest.counts["bits_per_byte"] == result["bits_per_byte"]


def test_same_inputs_give_the_same_bytes(evaluation: Evaluation, line: Line, tmp_path: Path) -> None:
    assert line.evaluate(tmp_path / "evaluate").content_hash == evaluation.content_hash


def test_what_ran_before_in_the_process_does_not_change_the_threads(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text(word_salad(50))
    seen = []
    for scorer in ("run.score_documents", "text.score_sections"):
        monkeypatch.setattr(f"groundup.evaluate.{scorer}", lambda *_: seen.append(torch.get_num_threads()) or 1 / 0)
    with threads(2):
        for score in (line.evaluate, lambda _: evaluate_text(line.run.final, tmp_path / "text.txt", "cpu", EvaluateConfig())):
            with pytest.raises(ZeroDivisionError):
                score(tmp_path / "evaluate")
            assert torch.get_num_threads() == 2
    assert seen == [1, 1]


def test_only_the_asked_baselines_are_made(line: Line, tmp_path: Path) -> None:
    result = line.evaluate(tmp_path / "evaluate", EvaluateConfig(baselines=("xz",))).result
    assert list(result["baselines"]) == ["xz"]
    assert result["samples"] == []


def test_held_out_keeps_to_its_size_whole_documents_at_least_one(line: Line) -> None:
    every = choose_held_out(line.documents, line.shards, 10**9)
    assert [document.id for document in every.chosen] == sorted(document.id for document in VALIDATION)
    assert every.num_bytes == line.shards.total("bytes", "validation")
    for document in every.chosen:
        assert line.tokenizer.text.decode(document.tokens.tolist()).encode() == document.text


def test_a_first_document_that_does_not_fit_is_taken_whole(tmp_path: Path) -> None:
    line = Line(tmp_path, [Document(f"a/{i}v", word_salad(50, i), "a") for i in range(5)])
    assert len(choose_held_out(line.documents, line.shards, 1).chosen) == 1
    whole = choose_held_out(line.documents, line.shards, 10**9).num_bytes
    some = choose_held_out(line.documents, line.shards, whole - 1)
    assert 1 <= len(some.chosen) < 5
    assert some.num_bytes < whole


@pytest.mark.parametrize("validation", [[], [Document("a/v", "", "a")]], ids=["no documents", "an empty document"])
def test_nothing_held_out_is_refused(tmp_path: Path, validation: list[Document]) -> None:
    line = Line(tmp_path, validation)
    with pytest.raises(DataError, match=r"curate\.validation"):
        line.evaluate(tmp_path / "evaluate")


def test_a_model_with_another_tokenizer_is_refused(line: Line, tmp_path: Path) -> None:
    other = build_tokenizer(tmp_path / "tokenizer", line.documents, vocab_size=300)
    run_ = build_training_run(tmp_path / "pretrain", other)
    inputs = {"curate": line.documents, "encode": line.shards, "pretrain": run_}
    with pytest.raises(ArtifactError, match="trained on the tokens of another tokenizer"):
        build(Evaluation, tmp_path / "evaluate", run, CONFIG, inputs)


def test_shards_of_other_documents_are_refused(line: Line, tmp_path: Path) -> None:
    other = build_documents(tmp_path / "curate", [Document("a/0", "x", "a")], [Document("a/else", "x", "a")])
    with pytest.raises(ArtifactError, match="other documents"):
        choose_held_out(other, line.shards, 10**9)


def test_a_prompt_that_fills_the_model_is_refused(line: Line, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.prompts.*shorten"):
        line.evaluate(tmp_path / "evaluate", EvaluateConfig(prompts=("word " * 500,)))


def test_samples_are_cut_to_the_models_room(line: Line, tmp_path: Path) -> None:
    result = line.evaluate(tmp_path / "evaluate", EvaluateConfig(prompts=("a",), sample_tokens=10_000, temperature=0.0)).result
    assert result["samples"][0]["text"]


def test_text_files_score_as_the_stage_does(line: Line, evaluation: Evaluation, tmp_path: Path) -> None:
    for i, document in enumerate(VALIDATION):
        (tmp_path / f"{i}{'.md' if i else '.txt'}").write_bytes(document.text.encode())
    (tmp_path / "other.bin").write_bytes(b"\xff\0")
    scored = evaluate_text(line.run.final, tmp_path, "cpu", EvaluateConfig())
    empty = sum(not document.text for document in VALIDATION)
    assert scored["tokens"] == evaluation.result["tokens"] - empty
    assert scored["bytes"] == evaluation.result["bytes"]
    assert scored["documents"] == len(VALIDATION) - empty
    nll = scored["nll_per_token"] * scored["tokens"]
    assert nll == pytest.approx(evaluation.result["nll_per_token"] * evaluation.result["tokens"], rel=0.02)
    assert json.dumps(scored)
    single = evaluate_text(line.run.final, tmp_path / "0.txt", "cpu", EvaluateConfig(stride=3, batch=2))
    assert np.isfinite(single["bits_per_byte"])


def test_a_text_scored_in_pieces_scores_as_one(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "long.txt").write_text(word_salad(500, 4))
    (tmp_path / "short.txt").write_text(word_salad(20, 5))
    whole = evaluate_text(line.run.final, tmp_path, "cpu", EvaluateConfig())
    monkeypatch.setattr(pieces, "_READ_BYTES", 100)
    monkeypatch.setattr(text, "_HELD_TOKENS", 50)
    parts = evaluate_text(line.run.final, tmp_path, "cpu", EvaluateConfig())
    assert {key: parts[key] for key in ("tokens", "bytes", "documents")} == {
        key: whole[key] for key in ("tokens", "bytes", "documents")
    }
    assert parts["bits_per_byte"] == pytest.approx(whole["bits_per_byte"], rel=1e-5)  # batches of other shapes


def test_an_encoder_has_no_bits_per_byte(line: Line, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(word_salad(20))
    encoder = build_training_run(tmp_path / "pretrain", line.tokenizer, shape="encoder")
    with pytest.raises(ConfigError, match=r"shape='encoder' does not say how probable a text is.*--tasks"):
        evaluate_text(encoder.final, tmp_path / "text.txt", "cpu", EvaluateConfig())
