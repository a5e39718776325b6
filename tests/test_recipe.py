import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.orders import curate_config
from groundup.recipe import SHIPPED, apply_override, load_recipe, recipe_schema

DEMO = SHIPPED / "demo_cpu.yaml"
SIZED = ("budget=null", "pretrain.steps=5", "model={dim: 192, num_layers: 2}")
"""A size of one's own instead of a budget."""


def test_overrides_reach_every_depth() -> None:
    recipe = load_recipe(
        DEMO, ["budget.minutes=2", "curate.sources.1.weight=3", "pretrain.optimizer.learning_rate=1e-3", "model.num_kv_heads=2"]
    )
    assert recipe.budget is not None
    assert recipe.budget.minutes == 2
    assert recipe.curate.sources[1].weight == 3
    assert recipe.pretrain.optimizer.learning_rate == 1e-3
    assert recipe.model.num_kv_heads == 2


def test_bare_switches_and_sizes_in_words_are_read() -> None:
    """A bare off is false to YAML."""
    recipe = load_recipe(DEMO, ["pretrain.compile=off", "pretrain.memory_cap=1.5GiB"])
    assert recipe.pretrain.compile == "off"
    assert load_recipe(DEMO, ["pretrain.compile=on"]).pretrain.compile == "on"
    assert recipe.pretrain.memory_cap == 3 << 29


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["budget.minuts=2"], "did you mean 'minutes'"),
        (["pretrain.steps=5"], "both fix the length"),
        (["budget=null"], "budget.minutes, or the size"),
        (["model.dim=64"], "go together"),
        (["model={dim: 64, num_layers: 2, num_heads: 5}", "pretrain.steps=5", "budget=null"], "nearest fewer heads that fit: 4"),
        (["model={num_heads: 6, num_kv_heads: 4}"], "num_heads=6 is not a multiple of num_kv_heads=4; nearest fewer that fit: 3"),
        (["model={dim: 6, num_layers: 2, num_heads: 2}", "pretrain.steps=5", "budget=null"], "dim / num_heads = 3 is odd"),
        (["model={preset: gpt-2}"], "'model': preset: no published model 'gpt-2'; did you mean 'gpt2'?"),
        (["model={preset: gpt2, num_heads: 5}"], "dim=768 is not a multiple of num_heads=5; nearest fewer heads that fit: 4"),
        (["model={preset: t5-small}"], "is for model.shape='decoder', but model.shape='encoder_decoder'"),
        ([*SIZED, "model.head_dim=25"], "is odd"),
        ([*SIZED, "model.num_kv_heads=4"], "num_heads=6 is not a multiple of num_kv_heads=4"),
        ([*SIZED, "model.dim=31"], "dim / num_heads = 31 is odd"),
        ([*SIZED, "model.dim=195", "model.num_heads=3", "model.position=sinusoidal"], "fills dims in pairs, but dim=195 is odd"),
        ([*SIZED, "model.rope_fraction=0.01"], "rope_fraction=0.01 of a head 32 wide is no pair of dims"),
        (["model={attention: sliding_window, window: 512}"], "window=512 is longer than pretrain.seq_len=256, so it hides nothing"),
        (["model={attention: big_bird, sparse_block: 256}"], "sparse_block=256 with attention='big_bird' is as long as pretrain"),
        (["model={init: t5, init_std: 0.1}"], "init_std=0.1 has no effect with init='t5'"),
        (["pretrain.batch_tokens=1000"], "nearest that is: 1,024"),
        (["pretrain.batch_tokens=8589934592"], "less than or equal to 4294967296"),
        (["pretrain.schedule={name: constant, floor: 0.1}"], "floor=0.1 would have no effect"),
        (["pretrain.micro_batch=5"], "does not divide"),
        (["pretrain.memory_cap=much"], "'much' is no size; write bytes as a number, or like 2GB or 1.5GiB"),
        (["pretrain.optimizer.momentum=0.9"], "momentum=0.9 has no effect with name='adamw'; it belongs to name='muon'"),
        (["pretrain.clip_value=0.5", "pretrain.clip_norm=1"], "clip_norm=1 and clip_value=0.5 both bound the gradient"),
        (["curate.sources.9.weight=1"], "not a position in a list of 2"),
        (["encode.mix={shares: {docs: 1, licenses: 1}}"], "no source 'licenses' among curate.sources; did you mean 'licences'?"),
        (["encode.mix={shares: {docs: 1}}"], "says nothing of source 'licences'"),
        (
            ["encode.mix={temperature: 2}", "curate.sources.1.weight=3"],
            "source 'licences' has weight=3, which has no effect beside encode.mix",
        ),
        (
            ["encode.mix={temperature: 2, tokens: 1000}", "budget.tokens=2000"],
            "budget.tokens=2,000 is more than encode.mix.tokens=1,000",
        ),
        (["noequals"], "key=value"),
        (["name.x=1"], "single value"),
        (["curate.sources.1.name=docs"], "two sources are called 'docs'"),
        (["curate.sources.0.kind=files"], "has kind 'files' and no path"),
        (["curate.sources.0.path=x"], "take its path out"),
        (["tokenizer.vocab_size=1"], "vocab_size"),
        (["device=tpu"], "device"),
        (["a=[1"], "not valid YAML"),
        (["name=2024-13-45"], "not valid YAML"),
        (["curate.sources.\u00b2.weight=1"], "not a position"),
    ],
)
def test_bad_settings_say_the_way_out(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(DEMO, overrides)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "UTF-8"), (b"- 1", "mapping"), (b"a: [", "YAML"), (b"", "mapping"), (b"a: !!python/object:os.system x", "YAML")],
)
def test_bad_files_are_clear_errors(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_recipe(tmp_path / "r.yaml")


def test_missing_recipe_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="demo_cpu"):
        load_recipe(tmp_path / "none.yaml")


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    data = yaml.safe_load(DEMO.read_text())
    data["curate"]["sources"] = [{"name": "own", "path": "texts"}]
    data["curate"]["rules"] = [
        "massivetext",
        {"name": "own", "word_list": "w.txt", "rules": [{"measure": "listed_words", "below": 1}]},
        {"name": "asked", "classifier": "mine", "rules": [{"measure": "classifier_score", "above": 0.5}]},
    ]
    data["curate"]["decontaminate"] = {"items": [{"path": "exam.jsonl"}]}
    data["curate"]["groups"] = {"terms": "terms.yaml"}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    curate = load_recipe(tmp_path / "r.yaml", ["curate.rules.1.name=mine"]).curate
    assert curate.sources[0].path == tmp_path / "texts"
    assert curate.rules[-1].classifier == tmp_path / "mine"
    assert (curate.rules[-2].word_list, curate.decontaminate.items[0].path) == (tmp_path / "w.txt", tmp_path / "exam.jsonl")
    assert curate.groups.terms == tmp_path / "terms.yaml"
    assert load_recipe(tmp_path / "r.yaml", ["curate.groups.terms=mine.yaml"]).curate.groups.terms == Path.cwd() / "mine.yaml"


def test_text_alone_needs_no_budget(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"name": "text", "curate": {"sources": [{"name": "own", "path": "texts"}]}}))
    with pytest.raises(ConfigError, match="or until: encode, if nothing is to be trained"):
        load_recipe(tmp_path / "r.yaml")
    assert load_recipe(tmp_path / "r.yaml", ["until=encode"]).budget is None
    config, seed = curate_config([], None, None, None, tmp_path / "r.yaml", ["curate.validation=0.1"], None)
    assert (config.sources[0].path, config.validation, seed) == (tmp_path / "texts", 0.1, 0)


def test_a_data_set_of_the_hub_is_named_like_a_path(tmp_path: Path) -> None:
    for path, place in {Path("owner/Some.Set"): ("hf", "owner/Some.Set", None), tmp_path: ("files", None, tmp_path)}.items():
        config, _ = curate_config([path], "hf", None, None, None, [], None)
        assert (config.sources[0].kind, config.sources[0].dataset, config.sources[0].path) == place


def test_keys_of_curate_are_set_without_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = [
        "curate.near_duplicates=false",
        "curate.decontaminate.items=[{path: exam.jsonl}]",
        "curate.sources.0.section_chars=9000",
    ]
    config, _ = curate_config([tmp_path], None, None, None, None, said, None)
    assert not config.near_duplicates.enabled
    assert (config.decontaminate.items[0].path, config.sources[0].section_chars) == (tmp_path / "exam.jsonl", 9000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: st.dictionaries(st.sampled_from(["name", "curate", "sources", "budget", "q"]), x),
    ).map(lambda v: yaml.safe_dump(v).encode())
)
def test_no_bytes_make_anything_but_a_recipe_or_a_config_error(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "r.yaml").write_bytes(raw)
    try:
        load_recipe(tmp_path / "r.yaml")
    except ConfigError as error:
        assert "r.yaml" in str(error)


@given(st.text(max_size=30))
def test_no_override_is_a_traceback(text: str) -> None:
    data = yaml.safe_load(DEMO.read_text())
    try:
        apply_override(data, text)
    except ConfigError as error:
        assert "--set" in str(error)


@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_a_resolved_recipe_can_be_run_again(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(DEMO, [f"pretrain.schedule.name={name}"])
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(recipe.resolved()))
    assert load_recipe(tmp_path / "again.yaml") == recipe
    assert ("floor" in recipe.resolved()["pretrain"]["schedule"]) == (name != "constant")


def test_schema_names_every_section() -> None:
    schema = json.loads(recipe_schema())
    assert {"budget", "model", "curate", "tokenizer", "pretrain", "evaluate", "export"} <= schema["properties"].keys()


def test_a_home_that_nobody_has_is_a_path_like_others(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(DEMO.read_text())
    overrides = ["curate.sources.0.kind=files", "curate.sources.0.path=~nobody-of-this-name/text"]
    path = load_recipe(tmp_path / "r.yaml", overrides).curate.sources[0].path
    assert path is not None
    assert path.parts[-2:] == ("~nobody-of-this-name", "text")
