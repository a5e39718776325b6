"""Files of examples are read as they were meant; damage is named with its line."""

import json
from pathlib import Path
from typing import get_args

import pytest

from groundup.core.errors import ConfigError, DataError
from groundup.evaluate.tasks import examples
from groundup.evaluate.tasks.config import KindName, TaskConfig, TuningConfig
from groundup.evaluate.tasks.examples import CHECKS, FIELDS, read_examples
from groundup.evaluate.tasks.load import load_task
from groundup.evaluate.tasks.split import read_parts
from groundup.evaluate.tasks.table import KINDS

CONLLU = """# text = We don't stop, ever.
1\tWe\twe\tPRON\t_\t_\t_\t_\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=Yes
2\tdo\tdo\tAUX\t_\t_\t_\t_\t_\t_
3\tn't\tnot\tPART\t_\t_\t_\t_\t_\t_
4\tstop\tstop\tVERB\t_\t_\t_\t_\t_\tLang=en|SpaceAfter=No
5\t,\t,\tPUNCT\t_\t_\t_\t_\t_\t_
5.1\tnot\tnot\tPART\t_\t_\t_\t_\t_\t_
6\tever\tever\tADV\t_\t_\t_\t_\t_\tSpaceAfter=No
7\t.\t.\tPUNCT\t_\t_\t_\t_\t_\t_

1\tYes\tyes\tINTJ\t_\t_\t_\t_\t_\t_
"""


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_tables_have_a_row_for_every_kind() -> None:
    assert tuple(KINDS) == tuple(FIELDS) == tuple(CHECKS) == get_args(KindName)


def test_json_lines_of_every_kind(tmp_path: Path) -> None:
    sentence = write(tmp_path / "a.jsonl", {"text": "good", "label": 1, "more": None}, "", {"text": "bad", "label": "no"})
    assert [(e.read, e.wanted, e.place) for e in read_examples(sentence, "sentence_classification")] == [
        (("good",), ("1",), f"{sentence}:1"),
        (("bad",), ("no",), f"{sentence}:3"),
    ]
    (words,) = read_examples(write(tmp_path / "b.jsonl", {"words": ["a", "b"], "labels": ["X", "Y"]}), "token_classification")
    assert (words.read, words.wanted) == (("a", " b"), ("X", "Y"))
    (answer,) = read_examples(write(tmp_path / "c.jsonl", {"source": "2+2", "target": "4"}), "text_to_text")
    assert (answer.read, answer.wanted) == (("2+2",), ("4",))


def test_conllu_keeps_the_spaces_of_the_text(tmp_path: Path) -> None:
    first, second = read_examples(write(tmp_path / "a.conllu", CONLLU), "token_classification")
    assert first.read == ("We", " do", "n't", " stop", ",", " ever", ".")
    assert first.wanted == ("PRON", "AUX", "PART", "VERB", "PUNCT", "ADV", "PUNCT")
    assert "".join(first.read) == "We don't stop, ever."
    assert (second.read, second.wanted, second.place) == (("Yes",), ("INTJ",), f"{tmp_path / 'a.conllu'}:12")


@pytest.mark.parametrize(
    ("name", "kind", "line", "says"),
    [
        ("a.jsonl", "sentence_classification", "{", ":2: not valid JSON"),
        ("a.jsonl", "sentence_classification", "[" * 100_000, ":2: not valid JSON"),
        ("a.jsonl", "sentence_classification", "[1]", ":2: each line is an object with 'text' and 'label'"),
        ("a.jsonl", "sentence_classification", {"text": "x"}, "'label'"),
        ("a.jsonl", "sentence_classification", {"text": "", "label": "x"}, "at least one character"),
        ("a.jsonl", "sentence_classification", {"text": "x", "label": 0.5}, "whole number"),
        ("a.jsonl", "sentence_classification", '{"text": "\\ud800", "label": "x"}', "surrogate"),
        ("a.jsonl", "token_classification", {"words": ["a"], "labels": []}, "'labels' must be a list"),
        ("a.jsonl", "token_classification", {"words": ["a", "b"], "labels": ["X"]}, "2 words and 1 labels"),
        ("a.jsonl", "text_to_text", {"source": "x", "target": 3}, "'target' must be text"),
        ("a.conllu", "token_classification", "1\tWe", ":2: 2 columns between tabs; CoNLL-U has 10"),
        ("a.conllu", "token_classification", "1\t\t_\tX\t_\t_\t_\t_\t_\t_", ":2: the word"),
        ("a.conllu", "text_to_text", "", "labels words"),
        ("a.csv", "text_to_text", "", "ends in '.csv'"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, name: str, kind: KindName, line: object, says: str) -> None:
    with pytest.raises(DataError, match=says.replace("[", r"\[")):
        read_examples(write(tmp_path / name, "", line), kind)


def test_bounds_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n\xff\n")
    with pytest.raises(DataError, match=":2: not UTF-8"):
        read_examples(path, "text_to_text")
    for name, limit in (("MAX_LINE_BYTES", 10), ("MAX_EXAMPLES", 1)):
        write(path, *[{"source": "a", "target": "b"}] * 2)
        with monkeypatch.context() as patch:
            patch.setattr(examples, name, limit)
            with pytest.raises(DataError, match="more than"):
                read_examples(path, "text_to_text")
    with pytest.raises(DataError, match="holds no example"):
        read_examples(write(path), "text_to_text")
    with pytest.raises(DataError, match="no such file"):
        read_examples(tmp_path / "missing.jsonl", "text_to_text")


def task(path: Path, **changes: object) -> TaskConfig:
    settings = {"name": "t", "kind": "sentence_classification", "train": path, "test_share": 0.25, **changes}
    return TaskConfig.parse(settings, "test")


def test_parts_share_no_text_and_are_the_same_every_time(tmp_path: Path) -> None:
    rows = [{"text": f"text {i % 300}", "label": i % 2} for i in range(400)]
    path = write(tmp_path / "a.jsonl", *rows)
    parts = read_parts(task(path))
    assert parts == read_parts(task(path))
    texts = [{example.read for example in part} for part in vars(parts).values()]
    assert sum(map(len, texts)) == len(set.union(*texts)) == 300
    assert sum(map(len, vars(parts).values())) == 400
    assert 60 < len(parts.test) < 140
    fewer = read_parts(task(path, max_train_examples=50))
    assert (len(fewer.train), fewer.test, fewer.validation) == (50, parts.test, parts.validation)
    assert read_parts(task(path, split_seed=1)) != parts


def test_what_a_test_file_holds_is_not_learned(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", *({"text": f"text {i}", "label": i % 2} for i in range(100)))
    test = write(tmp_path / "b.jsonl", *({"text": f"text {i}", "label": i % 2} for i in range(90, 110)))
    parts = read_parts(task(train, test=test, test_share=None))
    assert len(parts.test) == 20
    assert len(parts.train) + len(parts.validation) == 90
    with pytest.raises(DataError, match="none is left for train"):
        read_parts(task(test, test=test, test_share=None))


def test_task_files_name_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "my_task.yaml"
    file.write_text("kind: text_to_text\ntrain: a.jsonl\ntest_share: 0.1\n")
    assert load_task(file).name == "my_task"
    assert load_task(file).train == tmp_path / "a.jsonl"
    assert load_task(file, tmp_path / "data").train == tmp_path / "data/a.jsonl"
    with pytest.raises(ConfigError, match="no such task"):
        load_task(tmp_path / "missing.yaml")
    for line, says in (
        ("kind: text_to_tex", "'text_to_text'"),
        ("pooling: mean", "pooling='mean' has no effect"),
        ("test: b.jsonl", "either test"),
        ("test_share: null", "either test"),
        ("tuning: {epoch: 3}", "did you mean 'epochs'"),
        ("tuning: {seeds: [1, 1]}", "names one twice"),
        ("tuning: {learning_rates: [0.1, -1]}", "above 0"),
    ):
        file.write_text(f"kind: text_to_text\ntrain: a.jsonl\ntest_share: 0.1\n{line}\n")
        with pytest.raises(ConfigError, match=says):
            load_task(file)
    assert TaskConfig.parse(load_task_settings(file), "again").tuning == TuningConfig()


def load_task_settings(file: Path) -> dict[str, object]:
    file.write_text("kind: text_to_text\ntrain: a.jsonl\ntest_share: 0.1\n")
    return load_task(file).resolved()
