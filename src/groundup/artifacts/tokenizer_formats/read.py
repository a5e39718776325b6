"""A tokenizer of another tool, whatever its files: the engine, and the parts of its special tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken

from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE, SpecialNames
from groundup.artifacts.tokenizer import TOKENIZER_FILE, read_engine
from groundup.artifacts.tokenizer_formats.beside import FILES, Beside
from groundup.artifacts.tokenizer_formats.byte_level import MERGES_OF, read_byte_level
from groundup.artifacts.tokenizer_formats.given import AGAIN, read_bytes
from groundup.artifacts.tokenizer_formats.ranks import read_ranks
from groundup.artifacts.tokenizer_formats.roles import find_roles, protect
from groundup.artifacts.tokenizer_formats.sentence_piece import read_sentence_piece
from groundup.artifacts.tokenizer_formats.word_piece import read_word_piece
from groundup.core.errors import ArtifactError

Reader = Callable[[Path, Beside], Any]


def _read_json(path: Path, beside: Beside) -> Any:
    """Return the engine of a tokenizer.json, which neither pads nor cuts texts."""
    engine = read_engine(path)
    engine.no_padding()
    engine.no_truncation()
    return engine


def _read_model(path: Path, beside: Beside) -> Any:
    """Return the engine of a .model: SentencePiece's, or ranks as Llama 3 has them under the same name."""
    is_text = b"\x00" not in (start := read_bytes(path)[:200]) and start.isascii() and b"= " in start
    return read_ranks(path, beside) if is_text else read_sentence_piece(path, beside)


READERS: Final[tuple[tuple[str, Reader], ...]] = (
    (TOKENIZER_FILE, _read_json),
    ("tokenizer.model", _read_model),
    ("*.model", _read_model),
    ("vocab.json", read_byte_level),
    ("encoder.json", read_byte_level),
    ("vocab.txt", read_word_piece),
    ("*.tiktoken", read_ranks),
    ("*.json", _read_json),
)
"""(pattern of the file's name, how it is read), the one that says most first."""
_MERGES = {merges: vocabulary for vocabulary, merges in MERGES_OF.items()}


def find_tokenizer(path: Path) -> tuple[Path, Reader]:
    """Return the file of the vocabulary and how it is read; raise ArtifactError if there is none or one cannot tell which."""
    if path.is_dir():
        for pattern, reader in READERS[:-1]:
            found = sorted(path.glob(pattern))
            if len(found) > 1:
                raise ArtifactError(f"{path}: holds {found[0].name} and {found[1].name}; name the file that is meant")
            if found:
                return found[0], reader
        known = ", ".join(pattern for pattern, _ in READERS[:-1])
        raise ArtifactError(f"{path}: holds no tokenizer that groundup reads ({known})")
    file = path.with_name(_MERGES.get(path.name, path.name))
    readers = [reader for pattern, reader in READERS if file.match(pattern)]
    if not readers:
        raise ArtifactError(f"{path}: not a file name that groundup knows; known: {', '.join(pattern for pattern, _ in READERS)}")
    if not file.is_file():
        raise ArtifactError(f"{file}: missing; {AGAIN}")
    return file, readers[0]


def tokenizer_files(path: Path) -> list[Path]:
    """Return every file that `read_tokenizer` reads of the path."""
    file, _ = find_tokenizer(path)
    others = (*FILES, SPECIAL_TOKENS_FILE, *([MERGES_OF[file.name]] if file.name in MERGES_OF else []))
    return [file, *(there for name in others if (there := file.with_name(name)).is_file())]


def read_tokenizer(path: Path) -> tuple[Any, SpecialNames]:
    """Return the engine (tokenizers.Tokenizer) and the special tokens of a file, or of a folder in the layout of Hugging Face.

    Text that looks like a special token is ordinary text for the engine. Raises ArtifactError or ConfigError that names the
    file, and the line where there are lines.
    """
    file, reader = find_tokenizer(path)
    beside = Beside.of(file.parent)
    try:
        engine = reader(file, beside)
    except (ValueError, TypeError, OverflowError) as error:  # what the libraries say of values out of range
        raise ArtifactError(f"{file}: {error}; {AGAIN}") from None
    _add(engine, beside, file)
    own = file.with_name(SPECIAL_TOKENS_FILE)
    names = SpecialNames.from_file(own) if own.is_file() else find_roles(engine, beside, file)
    protect(engine, names)
    return engine, names


def _add(engine: Any, beside: Beside, file: Path) -> None:
    """Give the engine the tokens that stand beside its vocabulary; raise ArtifactError if their ids do not follow on from it."""
    for name, number in sorted(beside.added.items(), key=lambda item: item[1]):
        if engine.token_to_id(name) is None:
            engine.add_tokens([AddedToken(name, special=name not in beside.ordinary, normalized=False)])
        if engine.token_to_id(name) != number:
            raise ArtifactError(
                f"{file}: added token {name[:40]!r} should have id {number}, but gets {engine.token_to_id(name)}; {AGAIN}"
            )
