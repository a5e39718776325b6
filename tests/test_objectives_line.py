"""Every shipped recipe of an objective, made small: from text to evaluation, report and export."""

import json
from pathlib import Path

import pytest

import lines
from groundup import api
from groundup.core.errors import ConfigError
from groundup.recipe import SHIPPED, Recipe, load_recipe

RECIPES = {
    "encoder_mlm": ("RoFormerForMaskedLM", "masked", "It <|mask|> the file."),
    "t5_span": ("T5ForConditionalGeneration", "span_corruption", "It <|extra_id_0|> the file."),
    "ul2_mixture": ("T5ForConditionalGeneration", "mixture", "<|S|>It reads"),
    "bart_denoise": ("T5ForConditionalGeneration", "denoising", "It <|mask|> the file."),
    "prefix_lm": (None, "prefix", "It reads"),
    "decoder_clm": ("Qwen3ForCausalLM", "causal", "It reads"),
}
STEPS = 6
QUICKER = dict.fromkeys(("bart_denoise", "t5_span", "ul2_mixture"), ("pretrain.optimizer.learning_rate=0.03",))
"""From T5's first weights a decoder repeats what it reads, at first the end of a text: it has to leave that in so few steps."""


def small_recipe(name: str, folder: Path) -> Recipe:
    """Return the shipped recipe on a little text, with a tiny model and few steps."""
    lines.write_text_files(folder / "texts")
    prompt = RECIPES[name][2]
    return load_recipe(
        SHIPPED / f"{name}.yaml",
        [
            f"curate.sources=[{{name: own, path: {folder / 'texts'}}}]",
            "curate.rules=[]",
            "curate.validation=0.2",
            "tokenizer.vocab_size=600",
            "model.dim=32",
            "model.num_layers=1",
            "model.num_heads=2",
            "pretrain.seq_len=64",
            "pretrain.batch_tokens=512",
            f"pretrain.steps={STEPS}",
            *QUICKER.get(name, ()),
            "pretrain.precision=fp32",
            "pretrain.attention=sdpa",
            "device=cpu",
            f"evaluate={{max_bytes: 20000, sample_tokens: 5, baselines: [unigram], prompts: [{json.dumps(prompt)}]}}",
        ],
    )


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_makes_a_model(name: str, tmp_path: Path) -> None:
    architecture, objective, prompt = RECIPES[name]
    run = api.run(small_recipe(name, tmp_path), tmp_path / "run")
    result = run.evaluation.result
    if objective == "causal":
        assert "objective" not in result
    else:
        found = result["objective"]
        assert found["name"] == objective
        assert found["targets"] > 100
        assert 0 <= found["accuracy"] <= 1
        assert 1 < found["unigram"]["nll_per_target"] < 8
        assert f"{found['nll_per_target']:.3f} nats a hidden token" in run.render()
    assert ("bits_per_byte" in result) == (objective == "causal")
    assert [sample["prompt"] for sample in result["samples"]] == [prompt]
    assert result["samples"][0]["text"]
    rows = [json.loads(line) for line in (run.path / "pretrain" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(row["targets"] > 0 and row["tokens"] % row["step"] == 0 for row in rows)
    assert "".join(api.generate(run.path, prompt))
    assert run.report.is_file()
    if architecture is None:
        assert "export" not in run.made
    else:
        assert json.loads((run.path / "export" / "config.json").read_text())["architectures"] == [architecture]
        assert json.loads((run.path / "export" / "groundup_export.json").read_text())["verified"] is True


def test_the_table_holds_every_shipped_recipe() -> None:
    assert set(RECIPES) | {"demo_cpu"} == {file.stem for file in SHIPPED.glob("*.yaml")}


@pytest.mark.parametrize(
    ("name", "override", "words"),
    [
        ("encoder_mlm", "tokenizer.special.mask=false", "set tokenizer.special.mask=true"),
        ("t5_span", "tokenizer.special.sentinels=0", "set tokenizer.special.sentinels=100"),
        ("ul2_mixture", "tokenizer.special.modes=[R]", "set tokenizer.special.modes=['R', 'S', 'X']"),
        ("bart_denoise", "tokenizer.special.mask=false", "set tokenizer.special.mask=true"),
        ("decoder_clm", "pretrain.objective.name=fill_in_middle", "set tokenizer.special.fill=true"),
        ("decoder_clm", "pretrain.objective.name=masked", "is for model.shape='encoder', but model.shape='decoder'"),
        ("encoder_mlm", "model.shape=decoder", "is for model.shape='encoder', but model.shape='decoder'"),
        ("decoder_clm", "model.num_encoder_layers=2", "num_encoder_layers=2 has no effect with shape='decoder'"),
        ("t5_span", "model.attention=performer", "position='t5_bias' is added to scores, which attention='performer' never makes"),
        ("t5_span", "pretrain.objective.unit=word", "unit='word' has no effect"),
        ("prefix_lm", "until=exprot", "until"),
    ],
)
def test_what_does_not_go_together_is_refused_when_the_recipe_is_read(name: str, override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(SHIPPED / f"{name}.yaml", [override])
    assert words in str(caught.value)


def test_too_few_sentinels_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    recipe = small_recipe("t5_span", tmp_path)
    special = recipe.tokenizer.special.model_copy(update={"sentinels": 3})
    few = recipe.model_copy(update={"tokenizer": recipe.tokenizer.model_copy(update={"special": special})})
    with pytest.raises(ConfigError, match=r"can need [0-9,]+ sentinel tokens for one document, but the tokenizer has 3; raise"):
        api.run(few, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_prompt_without_a_mask_is_refused_before_training(tmp_path: Path) -> None:
    recipe = small_recipe("encoder_mlm", tmp_path)
    other = recipe.model_copy(update={"evaluate": recipe.evaluate.model_copy(update={"prompts": ("It reads",)})})
    with pytest.raises(ConfigError, match=r"evaluate\.prompts: 'It reads' has no mask.*write <\|mask\|>"):
        api.run(other, tmp_path / "run")
    assert not (tmp_path / "run" / "pretrain").exists()
