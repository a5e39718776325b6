"""What each special token of a family is for."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, processors

from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer
from groundup.artifacts.tokenizer_formats.families import FAMILIES
from groundup.core.errors import ArtifactError, ConfigError


def write(folder: Path, names: list[str], processor: Any = None, **files: Any) -> Path:
    """Write tokenizer.json of a vocabulary of these names, and the JSON files beside it."""
    engine: Any = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token=names[0]))
    if processor is not None:
        engine.post_processor = processor
    engine.save(str(folder / "tokenizer.json"))
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def roles(folder: Path) -> SpecialNames:
    return read_tokenizer(folder)[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_known_by_its_model(family: str, tmp_path: Path) -> None:
    names = FAMILIES[family]
    path = write(tmp_path, [*names.distinct(), "word"], config={"model_type": family})
    engine, found = read_tokenizer(path)
    assert found == names
    tokenizer = TextTokenizer(engine, found, family)
    assert tokenizer.decode([tokenizer.id_of(name) for name in names.distinct()]) == ""


@pytest.mark.parametrize("family", ["bert", "roberta", "bloom", "llama", "t5", "llama3", "gpt2"])
def test_a_family_is_known_by_its_tokens(family: str, tmp_path: Path) -> None:
    assert roles(write(tmp_path, [*FAMILIES[family].distinct(), "word"])) == FAMILIES[family]


@pytest.mark.parametrize(
    "processor",
    [
        processors.BertProcessing(("</s>", 1), ("<s>", 0)),
        processors.RobertaProcessing(("</s>", 1), ("<s>", 0)),
        processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> $B", special_tokens=[("<s>", 0), ("</s>", 1)]),
        processors.Sequence(
            [processors.ByteLevel(), processors.TemplateProcessing("<s> $A </s>", "$A $B", [("<s>", 0), ("</s>", 1)])]
        ),
    ],
    ids=["bert", "roberta", "template", "sequence"],
)
def test_the_template_of_the_file_says_what_stands_around_a_text(processor: Any, tmp_path: Path) -> None:
    found = roles(write(tmp_path, ["<s>", "</s>", "<unk>"], processor))
    assert (found.before, found.after) == (("<s>",), ("</s>",))


def test_a_template_with_an_end_alone_leaves_the_beginning_free(tmp_path: Path) -> None:
    processor = processors.TemplateProcessing(single="$A </s>", pair="$A $B", special_tokens=[("</s>", 1)])
    found = roles(write(tmp_path, ["<s>", "</s>", "<unk>"], processor))
    assert (found.before, found.after) == ((), ("</s>",))


def test_names_in_the_files_beside_come_before_the_family(tmp_path: Path) -> None:
    names = ["<s>", "</s>", "<unk>", "[M]", "[E]"]
    config = {"eos_token": {"content": "[E]", "special": True}, "mask_token": "[M]", "bos_token": "<s>", "pad_token": "not there"}
    found = roles(write(tmp_path, names, tokenizer_config=config, special_tokens_map={"eos_token": "</s>"}))
    assert (found.eos, found.mask, found.before, found.pad) == ("[E]", "[M]", ("<s>",), None)


def test_sentinels_modes_and_fill_tokens_are_found(tmp_path: Path) -> None:
    sentinels = [f"<extra_id_{number}>" for number in range(12)]
    fill = ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"]
    found = roles(write(tmp_path, ["<pad>", "</s>", "<unk>", *reversed(sentinels), "[NLU]", "[S2S]", "[NLG]", *fill]))
    assert found.sentinels == tuple(sentinels)
    assert found.modes == {"R": "[NLU]", "S": "[S2S]", "X": "[NLG]"}
    assert found.fill is not None
    assert found.fill.middle == "<fim_middle>"


def test_added_tokens_get_the_ids_that_they_should_have(tmp_path: Path) -> None:
    path = write(tmp_path, ["<s>", "</s>", "<unk>"], added_tokens={"<mask>": 3}, tokenizer_config={"mask_token": "<mask>"})
    assert roles(path).mask == "<mask>"
    write(tmp_path, ["<s>", "</s>", "<unk>"], added_tokens={"<mask>": 7})
    with pytest.raises(ArtifactError, match=r"tokenizer\.json.*<mask>.*7.*3"):
        roles(path)


def test_an_added_token_that_stands_for_text_is_not_special(tmp_path: Path) -> None:
    added = {"3": {"content": "word", "special": False}, "4": {"content": "<x>", "special": True}}
    engine, names = read_tokenizer(write(tmp_path, ["<s>", "</s>", "<unk>"], tokenizer_config={"added_tokens_decoder": added}))
    assert TextTokenizer(engine, names, "here").decode([3, 4]) == "word"


def test_a_vocabulary_that_nobody_knows_needs_an_end_of_document(tmp_path: Path) -> None:
    path = write(tmp_path, ["a", "b"])
    with pytest.raises(ArtifactError, match="eos_token"):
        roles(path)
    (path / "tokenizer_config.json").write_text('{"eos_token": "b"}')
    assert roles(path).before == ("b",)


def test_one_token_for_two_parts_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ["<s>", "</s>", "<unk>"], tokenizer_config={"mask_token": "</s>"})
    with pytest.raises(ConfigError, match=r"tokenizer\.json.*two parts"):
        roles(path)
