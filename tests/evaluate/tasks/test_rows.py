"""Words keep their labels whatever their letters, and batches say to the model what the rows say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

import models
from builders import build_documents, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError, DataError
from groundup.evaluate.tasks.answers import LAYOUTS, TextToText
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.examples import Example
from groundup.evaluate.tasks.kinds import SentenceClassification, TokenClassification, most_frequent
from groundup.evaluate.tasks.rows import Row, Speller
from groundup.nn.transformer import Inputs
from groundup.train.loss import IGNORE

ODD = [
    "don't",
    " naïve",
    " 日本語",
    " 👩‍👩‍👧",
    " \u200b",
    " a\u0301",
    "\t",
    " \ufffd",
    " <|endoftext|>",
    " [SEP]",
    " ",
    "  x  ",
    " -",
    "...",
]
TASK = {"name": "t", "train": "t.jsonl", "test_share": 0.5}


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    folder = tmp_path_factory.mktemp("rows")
    documents = build_documents(folder / "c", [Document(f"a/{i}", word_salad(300, i), "a") for i in range(4)], [])
    return build_tokenizer(folder / "t", documents).text


@pytest.fixture(scope="module")
def lossy() -> TextTokenizer:
    """Words in pieces, as BERT has them: what it does not know is one token, and some text is none."""
    names = ["[CLS]", "[SEP]", "[UNK]", *"abcdnotx-.'", *(f"##{letter}" for letter in "abcdnotx")]
    engine = Engine(WordPiece({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    engine.normalizer, engine.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    return TextTokenizer(engine, SpecialNames(eos="[SEP]", before=("[CLS]",), after=("[SEP]",), unk="[UNK]"), "test")


def example(read: tuple[str, ...], wanted: tuple[str, ...]) -> Example:
    return Example(read, wanted, "file:1")


@pytest.mark.parametrize("name", ["exact", "lossy"])
def test_odd_words_each_have_a_first_token(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(name)
    (row,) = Speller(tokenizer, 10_000, ends=True).words(ODD, range(len(ODD)))
    assert row.wanted == tuple(range(len(ODD)))
    starts = [*row.places, len(row.read) - len(tokenizer.after_ids)]
    assert row.places[0] == len(tokenizer.before_ids)
    for word, begin, end in zip(ODD, starts, starts[1:], strict=False):
        assert list(row.read[begin:end]) == (tokenizer.encode(word) or [tokenizer.id_of("[UNK]")])


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=20), room=st.integers(1, 30))
def test_sentences_in_parts_lose_no_label(exact: TextTokenizer, words: list[str], room: int) -> None:
    max_len = room + len(exact.before_ids)
    rows = list(Speller(exact, max_len, ends=True).words(words, range(len(words))))
    assert [label for row in rows for label in row.wanted] == list(range(len(words)))
    for row in rows:
        assert len(row.read) <= max_len
        assert [row.read[place] for place in row.places] == [exact.encode(words[label])[0] for label in row.wanted]


def test_long_texts_are_cut_and_counted(exact: TextTokenizer) -> None:
    speller = Speller(exact, 10, ends=False)
    assert len(speller.whole("The array returns the shape. " * 9)) == 10
    assert (len(speller.whole("a")), speller.cut) == (2, 1)
    with pytest.raises(ConfigError, match="none is left"):
        Speller(exact, 1, ends=False)


def config(shape: str, **changes):
    layers = {"num_encoder_layers": 1} if shape == "encoder_decoder" else {}
    return models.small_config(shape=shape, vocab_size=400, **layers, **changes)


@pytest.mark.parametrize("shape", ["encoder", "decoder", "prefix_decoder"])
def test_classes_stand_where_they_are_told(exact: TextTokenizer, shape: str) -> None:
    train = [example(("x", " y y"), ("B", "A")), example(("z",), ("C",))]
    kind = TokenClassification(TaskConfig.parse({**TASK, "kind": "token_classification"}, "t"), config(shape), exact, train)
    rows = list(kind.rows([*train, example(("q",), ("new",))]))
    batch = kind.batch(rows)
    assert [row.wanted for row in rows] == [(1, 0), (2,), (3,)]
    for number, row in enumerate(rows):
        targets = batch.targets[number].tolist()
        assert [targets[place] for place in row.places] == list(row.wanted)
        assert targets.count(IGNORE) == len(targets) - len(row.wanted)
    assert (batch.inputs.prefix is not None) == (shape == "prefix_decoder")


def test_labels_that_training_did_not_show_are_wrong_and_one_alone_is_refused(exact: TextTokenizer) -> None:
    task = TaskConfig.parse({**TASK, "kind": "sentence_classification"}, "t")
    train = [example(("x",), ("B",)), example(("y",), ("A",))]
    kind = SentenceClassification(task, config("encoder"), exact, train)
    model = kind.model(models.small_model(shape="encoder", vocab_size=400), torch.Generator().manual_seed(0)).eval()
    assert kind.right(model, list(kind.rows([example(("x",), ("new",))] * 3))) == 0
    right = [kind.right(model, list(kind.rows([example(("x",), (label,))]))) for label in "AB"]
    assert sorted(right) == [0, 1]
    with pytest.raises(DataError, match="two to tell apart"):
        SentenceClassification(task, config("encoder"), exact, train[:1])
    with pytest.raises(ConfigError, match="text_to_text"):
        SentenceClassification(task, config("encoder_decoder"), exact, train)


@pytest.mark.parametrize("shape", LAYOUTS)
def test_the_answer_is_predicted_as_it_is_written(exact: TextTokenizer, shape: str) -> None:
    """The logits that a batch trains are those that writing the wanted answer token by token would see."""
    task = TaskConfig.parse({**TASK, "kind": "text_to_text"}, "t")
    train = [example(("The array returns",), (" the shape",)), example(("Index",), (" value",))]
    kind = TextToText(task, config(shape), exact, train)
    rows = list(kind.rows(train))
    trunk = models.small_model(shape=shape, vocab_size=400, **({"num_encoder_layers": 1} if shape == "encoder_decoder" else {}))
    batch = kind.batch(rows)
    with torch.no_grad():
        logits = trunk(batch.inputs)
        for number, row in enumerate(rows):
            at = (batch.targets[number] != IGNORE).nonzero()[:, 0]
            assert tuple(batch.targets[number, at].tolist()) == row.wanted
            torch.testing.assert_close(logits[number, at], alone(trunk, row, shape, exact), rtol=0, atol=1e-5)


def alone(trunk, row: Row, shape: str, tokenizer: TextTokenizer) -> torch.Tensor:
    answer = row.wanted[:-1]
    if shape == "encoder_decoder":
        read = torch.tensor([[tokenizer.start_id, *answer]])
        return trunk(Inputs(read, source=Inputs(torch.tensor([row.read]))))[0]
    prefix = torch.tensor([[True] * len(row.read) + [False] * len(answer)]) if shape == "prefix_decoder" else None
    return trunk(Inputs(torch.tensor([[*row.read, *answer]]), prefix=prefix))[0, len(row.read) - 1 :]


def test_answers_count_if_they_are_the_wanted_text(exact: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TaskConfig.parse({**TASK, "kind": "text_to_text"}, "t")
    examples = [example(("a",), (" the",)), example(("b",), (" the value",))]
    kind = TextToText(task, config("decoder"), exact, examples)
    written = [exact.encode(" the"), exact.encode(" the values")]
    monkeypatch.setattr("groundup.evaluate.tasks.answers.generate_batch", lambda *_, **__: written)
    assert kind.right(models.small_model(vocab_size=400), list(kind.rows(examples))) == 1


def test_an_encoder_writes_nothing_and_an_answer_must_fit(exact: TextTokenizer) -> None:
    task = TaskConfig.parse({**TASK, "kind": "text_to_text"}, "t")
    with pytest.raises(ConfigError, match="needs a model that writes"):
        TextToText(task, config("encoder"), exact, [example(("a",), ("b",))])
    for shape in LAYOUTS:
        with pytest.raises(DataError, match="file:1: an answer of"):
            TextToText(task, config(shape), exact, [example(("a",), ("word " * 200,))])


def test_the_most_frequent_answer_is_that_of_training() -> None:
    train = [example(("a", "b"), ("X", "Y")), example(("c",), ("X",))]
    assert most_frequent(train, [example(("d", "e", "f"), ("Y", "Y", "X"))]) == pytest.approx(1 / 3)
