"""Text continued by a checkpoint, as many tokens as there is room for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer as Tokenizers
from tokenizers import decoders, models

from builders import build_documents, build_tokenizer, build_training_run, word_salad
from groundup import api
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.core.errors import ConfigError
from groundup.nn import text as writer
from groundup.nn.generate import generate
from groundup.nn.load import load_model
from groundup.nn.sampling import Sampler
from groundup.nn.transformer import Inputs, Transformer
from groundup.tokenizer.config import SpecialConfig


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
    monkeypatch.setattr(writer, "pieces", lambda tokens, *_: map(str, tokens))
    assert len(list(api.generate(run.path, ""))) == expected


def test_more_than_fits_is_refused_when_asked_for(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", tokenizer)
    with pytest.raises(ConfigError, match="ask for 0 to 31 new tokens"):
        api.generate(run.path, "", max_new_tokens=100)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("line")
    documents = build_documents(folder / "curate", [Document("a:0", word_salad(200), "a")], [])
    special = SpecialConfig(mask=True, sentinels=3, modes=("R", "S"))
    return build_tokenizer(folder / "tokenizer", documents, special=special)


def test_names_of_marks_stand_for_their_tokens(marked: Tokenizer) -> None:
    text = marked.text
    ids = text.encode_marked("The <|mask|> of<|extra_id_1|> <|endoftext|>")
    assert ids == [
        *text.before_ids,
        *text.encode("The"),
        text.mask_id,
        *text.encode(" of"),
        text.id_of("<|extra_id_1|>"),
        *text.encode(" <|endoftext|>"),
    ]
    assert text.decode_marked(ids) == "The<|mask|> of<|extra_id_1|> <|endoftext|>"
    assert text.encode_marked("<|S|>The") == [text.id_of("<|S|>"), *text.encode("The")]
    assert text.encode_marked("") == text.before_ids


def test_a_tokenizer_without_marks_reads_their_names_as_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.text.encode_marked("a <|mask|>") == [*tokenizer.text.before_ids, *tokenizer.text.encode("a <|mask|>")]


def test_an_encoder_fills_each_mask(marked: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", marked, shape="encoder")
    found = "".join(api.generate(run.path, "The <|mask|> of <|mask|>"))
    model, ids = load_model(run.final, torch.device("cpu")), marked.text.encode_marked("The <|mask|> of <|mask|>")
    likeliest = model(Inputs(torch.tensor([ids]))).argmax(-1)[0].tolist()
    filled = [new if old == marked.text.mask_id else old for old, new in zip(ids, likeliest, strict=True)]
    assert found == marked.text.decode(filled)


@pytest.mark.parametrize(
    ("prompt", "settings", "words"),
    [
        ("The array", {}, r"no mask.*write <\|mask\|>"),
        ("<|mask|>", {"greedy": True}, "greedy: no effect on an encoder"),
        ("<|mask|> word" * 20, {}, "reads at most 32; shorten it"),
    ],
)
def test_what_an_encoder_cannot_do_is_said(
    marked: Tokenizer, tmp_path: Path, prompt: str, settings: dict[str, Any], words: str
) -> None:
    run = build_training_run(tmp_path / "pretrain", marked, shape="encoder")
    with pytest.raises(ConfigError, match=words):
        list(api.generate(run.path, prompt, **settings))


def test_an_answer_ends_with_the_sentinel_after_those_of_the_prompt(marked: Tokenizer) -> None:
    text = marked.text
    first, second, third = (text.id_of(f"<|extra_id_{number}|>") for number in range(3))
    made = [first, 300, second, 301, third, 302]
    assert list(writer.answer(iter(made), text, [5, first, 6])) == [first, 300]
    assert list(writer.answer(iter(made), text, [5, first, 6, second])) == made[:4]
    assert list(writer.answer(iter(made), text, [5, first, second, third])) == made
    assert list(writer.answer(iter(made), text, [5, 6])) == made


def test_pieces_keep_the_spaces_that_a_decoder_drops_at_the_start_of_a_text() -> None:
    words = ["<s>", "<unk>", "▁once", "▁upon", "▁a", "▁time", "s", "."]
    engine = Tokenizers(models.Unigram([(word, -1.0) for word in words], unk_id=1))
    engine.decoder = decoders.Metaspace()
    engine.add_special_tokens(["<s>"])
    tokenizer = TextTokenizer(engine, SpecialNames(eos="<s>", before=("<s>",)), "made up")
    assert "".join(writer.pieces(iter([4, 5, 6, 7]), tokenizer, before=[0, 2, 3])) == " a times."
    assert "".join(writer.pieces(iter([2, 3]), tokenizer, before=[0])) == "once upon"
    assert list(writer.pieces(iter([2, 3]), tokenizer)) == ["once", " upon"]


PROMPTS = ("The array", "", "a word of the text that is longer")


@pytest.mark.parametrize(
    "settings", [{"greedy": True}, {"seed": 5, "top_k": 20}, {"num_beams": 3}, {"greedy": True, "stop": ("e",)}]
)
@pytest.mark.parametrize("shape", ["decoder", "prefix_decoder", "encoder_decoder"])
def test_prompts_together_get_the_texts_that_they_get_alone(
    tokenizer: Tokenizer, tmp_path: Path, shape: str, settings: dict[str, Any]
) -> None:
    layers = {"num_encoder_layers": 2} if shape == "encoder_decoder" else {}
    run = build_training_run(tmp_path / "pretrain", tokenizer, shape=shape, max_seq_len=64, **layers)
    together = api.generate_texts(run.path, PROMPTS, max_new_tokens=12, **settings)
    assert together == ["".join(api.generate(run.path, prompt, max_new_tokens=12, **settings)) for prompt in PROMPTS]
    assert len(set(together)) > 1


def test_the_masks_of_several_prompts_are_filled(marked: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", marked, shape="encoder")
    prompts = ["The <|mask|>", "<|mask|> of it"]
    assert api.generate_texts(run.path, prompts) == ["".join(api.generate(run.path, prompt)) for prompt in prompts]


def test_the_longest_prompt_decides_what_fits(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", tokenizer, max_seq_len=40)
    assert len(api.generate_texts(run.path, PROMPTS)) == len(PROMPTS)
    with pytest.raises(ConfigError, match="do not fit the model's length of 40 tokens"):
        api.generate_texts(run.path, PROMPTS, max_new_tokens=39)
    with pytest.raises(ConfigError, match="no prompt; give at least one"):
        api.generate_texts(run.path, [])


def test_weights_in_bf16_write_a_text(tokenizer: Tokenizer, tmp_path: Path) -> None:
    run = build_training_run(tmp_path / "pretrain", tokenizer)
    assert "".join(api.generate(run.path, "a", greedy=True, precision="bf16"))
    with pytest.raises(ConfigError, match="precision"):
        api.generate(run.path, "a", precision="fp16")
