"""BERT's vocab.txt: WordPiece."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from groundup.artifacts.tokenizer_formats.beside import Beside
from groundup.artifacts.tokenizer_formats.given import AGAIN, read_lines
from groundup.core.errors import ArtifactError

UNKNOWN = "[UNK]"


def read_word_piece(path: Path, beside: Beside) -> Any:
    """Return the engine of the vocabulary, one token a line.

    Whether text is lower-cased says tokenizer_config.json beside it (`do_lower_case`); without one it is if no token has an
    upper-case letter. Raises ArtifactError that names file and line.
    """
    vocabulary: dict[str, int] = {}
    for number, token in read_lines(path):
        if token in vocabulary:
            raise ArtifactError(f"{path}:{number}: token {token[:40]!r} stands in line {vocabulary[token] + 1} already; {AGAIN}")
        vocabulary[token] = number - 1
    if UNKNOWN not in vocabulary:
        raise ArtifactError(
            f"{path}: has no token '{UNKNOWN}' in {len(vocabulary):,} lines, so not a vocabulary of BERT's kind; {AGAIN}"
        )
    engine: Any = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    strip_accents = beside.settings.get("strip_accents")
    engine.normalizer = normalizers.BertNormalizer(
        lowercase=_lowers(vocabulary, beside.settings.get("do_lower_case")),
        strip_accents=strip_accents if isinstance(strip_accents, bool) else None,
        handle_chinese_chars=beside.settings.get("tokenize_chinese_chars") is not False,
    )
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix="##")
    return engine


def _lowers(vocabulary: dict[str, int], said: Any) -> bool:
    if isinstance(said, bool):
        return said
    return not any(token != token.lower() for token in vocabulary if not token.startswith("["))
