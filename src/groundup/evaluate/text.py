"""A checkpoint scored on text files."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.core.progress import progress
from groundup.evaluate.bits_per_byte import Score, Section, score_sections, sections
from groundup.evaluate.config import EvaluateConfig, resolve_stride
from groundup.evaluate.pieces import find_texts, read_pieces
from groundup.nn.device import resolve_device
from groundup.nn.load import load_config, load_model
from groundup.nn.threads import threads_of

_HELD_TOKENS = 1 << 18
"""Tokens in memory at a time, of one document or of many."""


def evaluate_text(checkpoint: Checkpoint, path: Path, device: str, config: EvaluateConfig) -> dict[str, Any]:
    """Return bits_per_byte, nll_per_token, perplexity, tokens, bytes, documents of all text in `path`, a file a document.

    The text is scored as it is, all of it, in bounded memory. Raises ConfigError if the model is no decoder, DataError if there is
    no text, or it is not UTF-8.
    """
    shape = load_config(checkpoint).shape
    if shape != "decoder":
        raise ConfigError(
            f"{checkpoint.path}: shape='{shape}' does not say how probable a text is, token after token; score it with --tasks, or "
            "see the score of its objective in evaluation.json of the run that trained it"
        )
    files = find_texts(path)
    size = sum(files.values())
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, resolve_device(device))
    stride = resolve_stride(config.stride, model.config.max_seq_len)
    documents = (sections(_tokens(file, tokenizer), model.config.max_seq_len, stride, _HELD_TOKENS) for file in files)
    nats, num_tokens = 0.0, 0
    with threads_of(checkpoint), progress("evaluate", size * _tokens_per_byte(next(iter(files)), tokenizer)) as bar:
        for group in _groups(itertools.chain.from_iterable(documents)):
            nats += float(score_sections(model, group, tokenizer.opening_id, stride, config.batch, bar.advance).sum())
            num_tokens += sum(section.num_scored for section in group)
    return Score(nats, num_tokens, size, len(files)).summary()


def _tokens(file: Path, tokenizer: TextTokenizer) -> Iterator[npt.NDArray[np.uint32]]:
    """Yield the tokens of the file's text piece by piece, with the end-of-document last."""
    for piece in read_pieces(file):
        yield np.array(tokenizer.encode(piece), np.uint32)
    yield np.array([tokenizer.eos_id], np.uint32)


def _groups(parts: Iterable[Section]) -> Iterator[list[Section]]:
    """Yield the parts in groups of about _HELD_TOKENS, so that short documents fill batches together."""
    group: list[Section] = []
    for part in parts:
        group.append(part)
        if sum(len(section.tokens) for section in group) >= _HELD_TOKENS:
            yield group
            group = []
    if group:
        yield group


def _tokens_per_byte(file: Path, tokenizer: TextTokenizer) -> float:
    piece = next(read_pieces(file))
    return len(tokenizer.encode(piece)) / len(piece.encode())
