"""The stage on real shards, with real probes of a tiny model."""

import json

import pytest

from builders import build, build_documents, build_shards, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.manifest import read_manifest
from groundup.artifacts.plan import Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ConfigError, DataError
from groundup.encode.config import EncodeConfig, MixConfig
from groundup.encode.run import run as encode
from groundup.estimate.parameters import total_parameters
from groundup.nn.config import ModelConfig
from groundup.plan.config import BudgetConfig, PlanConfig, SizeConfig
from groundup.plan.run import run
from groundup.train.config import TrainConfig

SIZE = SizeConfig(dim=32, num_layers=2, num_heads=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    texts = [Document(id=f"d{number}", text=word_salad(300, number), source="made-up") for number in range(6)]
    documents = build_documents(folder / "curate", texts[:5], texts[5:])
    return build_shards(folder / "encode", documents, build_tokenizer(folder / "tokenizer", documents))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def plan_config(**changes):
    train = {"seq_len": 32, "batch_tokens": 256, **changes.pop("train", {})}
    defaults = {"budget": BudgetConfig(minutes=0.2), "model": SIZE, "device": "cpu"}
    return PlanConfig.model_validate({**defaults, "pretrain": TrainConfig.model_validate(train), **changes})


def test_plan_is_written_and_consistent(shards, tmp_path):
    plan = build(Plan, tmp_path / "plan", run, plan_config(), {"encode": shards})
    decisions, forecast = plan.decisions, plan.forecast
    model = ModelConfig.parse(decisions.model, "plan")
    assert forecast.params == total_parameters(model)
    assert model.vocab_size == shards.info.vocab_size
    assert forecast.tokens == decisions.steps * decisions.batch_tokens
    assert forecast.memory_bytes["total"] == sum(size for name, size in forecast.memory_bytes.items() if name != "total")
    assert 0 < forecast.unique_tokens <= shards.total("tokens", "train")
    assert forecast.train_s <= 12.5
    assert plan.manifest.counts["steps"] == decisions.steps


def test_speeds_are_not_part_of_the_content_hash(shards, tmp_path):
    fixed = {"steps": 5, "precision": "fp32", "attention": "sdpa", "micro_batch": 8, "checkpoint_steps": 5}
    config = plan_config(budget=None, train=fixed)
    plans = [build(Plan, tmp_path / name / "plan", run, config, {"encode": shards}) for name in ("one", "two")]
    assert plans[0].content_hash == plans[1].content_hash
    assert read_manifest(plans[0].path).files["forecast.json"].volatile
    assert json.loads((plans[0].path / "plan.json").read_text())["steps"] == 5


def test_text_shorter_than_a_sequence_is_an_error(shards, tmp_path):
    tokens = shards.total("tokens", "train")
    config = plan_config(train={"seq_len": 2 * tokens, "batch_tokens": 2 * tokens})
    with pytest.raises(DataError, match=rf"too short.*{2 * tokens + 1:,}.*set pretrain.seq_len below"):
        build(Plan, tmp_path / "plan", run, config, {"encode": shards})


def test_a_compiled_step_can_be_asked_for(shards, tmp_path, monkeypatch):
    """What the plan decides is what pretraining is told; without a compiler neither begins."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"pretrain.compile='on' needs a C\+\+ compiler"):
        build(Plan, tmp_path / "plan", run, plan_config(train={"compile": "on"}), {"encode": shards})


def test_a_run_beyond_the_mix_is_told_and_what_to_collect(shards, tmp_path):
    """The forecast says it: how often the mix is gone through, what raw text would do without repetitions."""
    documents = build_documents(
        tmp_path / "curate",
        [Document(id=f"{name}{number}", text=word_salad(300, number), source=name) for name in "ab" for number in range(5)],
        [],
        {"a": 1.0, "b": 1.0},
        raw_bytes=100_000,
    )
    tokenizer = build_tokenizer(tmp_path / "tokenizer", documents)
    mix = MixConfig(shares={"a": 1, "b": 1}, tokens=4000, max_epochs=2)
    inputs = {"curate": documents, "tokenizer": tokenizer}
    mixed = build(TokenShards, tmp_path / "encode", encode, EncodeConfig(mix=mix), inputs)
    train = {"steps": 40, "precision": "fp32", "attention": "sdpa", "micro_batch": 8, "compile": "off"}
    plan = build(Plan, tmp_path / "plan", run, plan_config(budget=None, train=train), {"encode": mixed})
    why = "\n".join(plan.forecast.why)
    assert "the run reads 10.2k tokens, the mix is made for 4k: it is gone through 2.6 times" in why
    assert "tokens at your yield of" in why
