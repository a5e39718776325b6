"""The tokenizer of another tool as an artifact of ours: by the stage, by a recipe, by a command."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers, processors
from typer.testing import CliRunner

from builders import build, build_documents, build_shards
from groundup import api, orders
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import Tokenizer
from groundup.cli import app
from groundup.core.errors import ArtifactError, ConfigError
from groundup.pipeline import check_line, line_folders, stages_until
from groundup.recipe import Recipe, load_recipe
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.run import run, source_hashes

NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with a tokenizer of BERT's kind, which puts [CLS] before and [SEP] after a text."""
    folder = tmp_path / "source"
    folder.mkdir()
    engine: object = Engine(models.WordPiece({name: number for number, name in enumerate(NAMES)}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    engine.enable_truncation(2)
    engine.enable_padding(length=8)
    engine.save(str(folder / "tokenizer.json"))
    return folder


def test_an_imported_tokenizer_packs_documents_as_ours_do(source: Path, tmp_path: Path) -> None:
    documents = build_documents(tmp_path / "curate", [Document("a/0", "ab ba [SEP] a c", "a")], [Document("a/1", "ab c", "a")])
    config = TokenizerConfig(algorithm="import", path=source)
    tokenizer = build(Tokenizer, tmp_path / "tokenizer", run, config, {"curate": documents})
    text = tokenizer.text
    assert text.encode("ab ba a") == [5, 8, 6, 7, 5]
    assert (text.before_ids, text.after_ids, text.eos_id, text.start_id, text.mask_id) == ([3], [], 3, 3, 4)
    assert tokenizer.facts["unknown_rate"] == pytest.approx(1 / 3, abs=1e-5)
    assert (tokenizer.facts["algorithm"], tokenizer.facts["kind"], tokenizer.facts["source"]) == (
        "import",
        "WordPiece",
        "tokenizer.json",
    )
    assert tokenizer.facts["vocab_size"] == tokenizer.manifest.counts["vocab_size"] == len(NAMES)
    assert json.loads(tokenizer.file.read_text())["truncation"] is None
    engine = Engine.from_file(str(tokenizer.file))
    assert engine.encode("ab").ids == [5, 8]
    assert build_shards(tmp_path / "encode", documents, tokenizer).info.eos_id == 3


def test_every_file_that_is_read_counts_for_the_key(source: Path, tmp_path: Path) -> None:
    order = orders.order_tokenizer_import(source, tmp_path / "out")
    assert list(order.sources) == ["tokenizer.json"]
    (source / "tokenizer_config.json").write_text('{"eos_token": "[PAD]"}')
    again = orders.order_tokenizer_import(source, tmp_path / "out")
    assert sorted(again.sources) == ["tokenizer.json", "tokenizer_config.json"]
    assert again.key() != order.key()
    assert source_hashes(TokenizerConfig()) == {}


def test_from_the_command_line_and_from_python(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = CliRunner().invoke(app, ["tokenizer", "import", str(source), "--out", str(out), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["vocab_size"] == len(NAMES)
    assert api.import_tokenizer(source, tmp_path / "again").content_hash == Tokenizer.open(out).content_hash
    with pytest.raises(ArtifactError, match="nowhere"):
        api.import_tokenizer(tmp_path / "nowhere", tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_a_recipe_finds_the_tokenizer_beside_itself(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    text = (
        "name: x\nbudget: {minutes: 1}\ncurate: {sources: [{name: a, path: text}]}\ntokenizer: {algorithm: import, path: source}\n"
    )
    file.write_text(text)
    recipe = load_recipe(file)
    assert recipe.tokenizer.path == source
    assert type(recipe).parse(recipe.resolved(), "again") == recipe


@pytest.mark.parametrize(("objective", "missing"), [("masked", None), ("span_corruption", "sentinel")])
def test_an_imported_tokenizer_needs_the_tokens_of_the_objective(
    objective: str, missing: str | None, source: Path, tmp_path: Path
) -> None:
    shapes = {"masked": "encoder", "span_corruption": "encoder_decoder"}
    data = {
        "name": "x",
        "budget": {"minutes": 1},
        "model": {"shape": shapes[objective]},
        "curate": {"sources": [{"name": "a", "path": str(tmp_path / "text")}]},
        "tokenizer": {"algorithm": "import", "path": str(source)},
        "pretrain": {"objective": {"name": objective}},
    }
    stages = stages_until("pretrain")
    recipe = Recipe.parse(data, "recipe.yaml")
    if missing is None:
        check_line(recipe, line_folders(tmp_path / "run"), stages, None)
        return
    with pytest.raises(ConfigError, match=missing):
        check_line(recipe, line_folders(tmp_path / "run"), stages, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "import"}, "need the path"),
        ({"path": "somewhere"}, "tokenizer.path=somewhere"),
        ({"algorithm": "import", "path": "x", "vocab_size": 500}, "tokenizer.vocab_size has no effect"),
        ({"algorithm": "import", "path": "x", "special": {"mask": True}}, "tokenizer.special has no effect"),
        ({"algorithm": "importt", "path": "x"}, "algorithm"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig.parse(settings, "recipe.yaml")


@pytest.mark.parametrize(
    ("special", "message"),
    [
        ("mask,mask", "twice"),
        ("sentinels", "how many"),
        ("maks", "did you mean 'mask'"),
        ("sentinels=x", "sentinels"),
        ("modes=Q", "modes"),
    ],
)
def test_special_tokens_on_the_command_line_are_checked(special: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        orders.tokenizer_config("bpe", 500, special)


def test_special_tokens_on_the_command_line() -> None:
    special = orders.tokenizer_config("unigram", 500, "mask, sep,sentinels=10,modes,fill").special
    assert (special.mask, special.sep, special.sentinels, special.modes, special.fill) == (True, True, 10, ("R", "S", "X"), True)
    assert orders.tokenizer_config("bpe", 500, "modes=R+S").special.modes == ("R", "S")
