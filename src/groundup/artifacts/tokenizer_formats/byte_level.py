"""GPT-2's vocab.json with merges.txt: byte-level BPE."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from groundup.artifacts.tokenizer_formats.beside import Beside
from groundup.artifacts.tokenizer_formats.given import AGAIN, checked_vocabulary, read_json, read_lines
from groundup.core.errors import ArtifactError

MERGES_OF = {"vocab.json": "merges.txt", "encoder.json": "vocab.bpe"}
"""Name of the vocabulary -> name of the merges; the second pair is that of the first publication."""


def read_byte_level(path: Path, beside: Beside) -> Any:
    """Return the engine of the vocabulary in `path` and the merges beside it; raise ArtifactError that names file and line."""
    vocabulary = checked_vocabulary(path, read_json(path))
    merges = _read_merges(path.with_name(MERGES_OF[path.name]), vocabulary)
    engine: Any = Tokenizer(models.BPE(vocabulary, merges))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=beside.settings.get("add_prefix_space") is True)
    engine.decoder = decoders.ByteLevel()
    return engine


def _read_merges(path: Path, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    for number, line in read_lines(path):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, space, right = line.partition(" ")
        missing = [piece for piece in (left, right, left + right) if piece not in vocabulary]
        if not space or missing:
            what = f"{missing[0][:40]!r} is not in the vocabulary" if space else "not two pieces with a space between"
            raise ArtifactError(f"{path}:{number}: {what}; {AGAIN}")
        merges.append((left, right))
    return merges
