"""Examples in files: JSON Lines and CoNLL-U."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.evaluate.tasks.config import KindName

MAX_LINE_BYTES = 1 << 20
MAX_EXAMPLES = 5_000_000
_FORM, _TAG, _MISC, _COLUMNS = 1, 3, 9, 10
"""Columns of CoNLL-U: FORM, UPOS, MISC, and how many there are (universaldependencies.org/format)."""


@dataclass(frozen=True)
class Example:
    """What is read, and what is wanted of it."""

    read: tuple[str, ...]
    """A text, or the words of one, each with the space that stands before it."""
    wanted: tuple[str, ...]
    """A label, a label for each word, or a text."""
    place: str
    """file:line."""


def read_examples(path: Path, kind: KindName) -> list[Example]:
    """Return the file's examples; raise DataError, with the line, if it holds none or one that does not fit the task."""
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; a task's train and test name files of examples, beside the task's own or under --data"
        )
    if path.suffix not in FORMATS:
        raise DataError(f"{path}: ends in '{path.suffix}'; examples are read from {' and '.join(FORMATS)} files")
    examples: list[Example] = []
    for example in FORMATS[path.suffix](path, kind):
        if len(examples) == MAX_EXAMPLES:
            raise DataError(f"{example.place}: more than {MAX_EXAMPLES:,} examples; split the file")
        examples.append(example)
    if not examples:
        raise DataError(f"{path}: holds no example; give it some")
    return examples


def json_lines(path: Path, kind: KindName) -> Iterator[Example]:
    """Yield an example for each line: an object with the fields of the kind."""
    read, wanted = FIELDS[kind]
    for place, line in _lines(path):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: not valid JSON ({error}); each line is an object") from None
        if not isinstance(data, dict) or not {read, wanted} <= data.keys():
            raise DataError(f"{place}: each line is an object with '{read}' and '{wanted}' for kind='{kind}'")
        yield CHECKS[kind](data[read], data[wanted], place)


def conllu(path: Path, kind: KindName) -> Iterator[Example]:
    """Yield an example for each sentence: its words (FORM) with their parts of speech (UPOS)."""
    if kind != "token_classification":
        raise DataError(f"{path}: CoNLL-U labels words, which is kind='token_classification'; '{kind}' reads .jsonl")
    sentence = _Sentence()
    for place, line in _lines(path):
        columns = line.split("\t")
        if not line.strip():
            yield from sentence.end()
            sentence = _Sentence()
        elif not line.startswith("#"):
            if len(columns) != _COLUMNS:
                raise DataError(f"{place}: {len(columns)} columns between tabs; CoNLL-U has {_COLUMNS}")
            sentence.add(columns, place)
    yield from sentence.end()


class _Sentence:
    """The words of a sentence so far."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._tags: list[str] = []
        self._place = ""
        self._space = ""
        self._range: tuple[str, str] | None = None

    def add(self, columns: list[str], place: str) -> None:
        """Take a line: a word, or a range of words that are written as one (2-3 don't, then 2 do and 3 n't)."""
        number, after = columns[0], "" if "SpaceAfter=No" in columns[_MISC].split("|") else " "
        if "-" in number:
            self._range = number.partition("-")[2], after
        elif "." not in number:  # 8.1 is a word that is not written
            if not columns[_FORM]:
                raise DataError(f"{place}: the word (column {_FORM + 1}) is empty")
            self._place = self._place or place
            self._words.append(self._space + columns[_FORM])
            self._tags.append(columns[_TAG])
            self._space = after if self._range is None else ""
            if self._range is not None and self._range[0] == number:
                self._space, self._range = self._range[1], None

    def end(self) -> Iterator[Example]:
        """Yield the sentence if it has words."""
        if self._words:
            yield Example(tuple(self._words), tuple(self._tags), self._place)


def _labelled(text: Any, label: Any, place: str) -> Example:
    return Example((_text(text, "text", place),), (_label(label, place),), place)


def _tagged(words: Any, labels: Any, place: str) -> Example:
    for name, items in (("words", words), ("labels", labels)):
        if not isinstance(items, list) or not items:
            raise DataError(f"{place}: '{name}' must be a list of at least one")
    if len(words) != len(labels):
        raise DataError(f"{place}: {len(words)} words and {len(labels)} labels; give one for each")
    checked = [_text(word, "words", place) for word in words]
    spaced = (checked[0], *(f" {word}" for word in checked[1:]))
    return Example(spaced, tuple(_label(label, place) for label in labels), place)


def _answered(source: Any, target: Any, place: str) -> Example:
    return Example((_text(source, "source", place),), (_text(target, "target", place),), place)


def _text(value: Any, name: str, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise DataError(f"{place}: '{name}' must be text of at least one character (got {value!r:.40})")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: '{name}' holds half of a surrogate pair (character {error.start}), which is not text") from None
    return value


def _label(value: Any, place: str) -> str:
    if isinstance(value, str | int) and str(value):
        return str(value)
    raise DataError(f"{place}: a label must be a word or a whole number (got {value!r:.40})")


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield file:line and the line's text."""
    with storage_errors(path), path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            place = f"{path}:{number}"
            if len(raw) > MAX_LINE_BYTES:
                raise DataError(f"{place}: a line of more than {MAX_LINE_BYTES:,} bytes; an example is shorter")
            try:
                yield place, raw.decode().rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(f"{place}: not UTF-8 (byte {error.start}); convert it, e.g. with iconv -t UTF-8") from None


FIELDS: Final[Mapping[KindName, tuple[str, str]]] = {
    "sentence_classification": ("text", "label"),
    "token_classification": ("words", "labels"),
    "text_to_text": ("source", "target"),
}
"""Kind of task -> names of what is read and what is wanted in JSON Lines."""
CHECKS: Final[Mapping[KindName, Callable[[Any, Any, str], Example]]] = {
    "sentence_classification": _labelled,
    "token_classification": _tagged,
    "text_to_text": _answered,
}
FORMATS: Final[Mapping[str, Callable[[Path, KindName], Iterator[Example]]]] = {".jsonl": json_lines, ".conllu": conllu}
"""Ending of a file -> its reader."""
