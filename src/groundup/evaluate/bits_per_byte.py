"""A model's cross-entropy on documents, by sliding window.

Each token of each document is scored once, its end-of-document token included, given up to a window of the tokens before it in
the same document; the first is predicted from what opens a text, as in training: in our own models an end-of-document token. Bits
per byte is the sum over all tokens, in bits, over the bytes of UTF-8 text: the end-of-document tokens cost bits and add no bytes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.core.errors import ArtifactError, DivergedError
from groundup.core.progress import progress
from groundup.evaluate.config import resolve_stride
from groundup.nn.transformer import Inputs, Transformer

_MAX_LOGITS = 1 << 24
"""Logits in memory at a time (64 MiB of float32)."""


@dataclass(frozen=True)
class Score:
    """What was scored and what it cost."""

    nats: float
    tokens: int
    bytes: int
    documents: int

    def summary(self) -> dict[str, Any]:
        """Return bits_per_byte, nll_per_token [nats], perplexity, and the counts that they are of."""
        nll = self.nats / self.tokens
        return {
            "bits_per_byte": round(bits_per_byte(self.nats / math.log(2), self.bytes), 6),
            "nll_per_token": round(nll, 6),
            "perplexity": round(math.exp(min(nll, 700.0)), 4),
            "tokens": self.tokens,
            "bytes": self.bytes,
            "documents": self.documents,
        }


def bits_per_byte(bits: float, num_bytes: int) -> float:
    """Return bits over bytes; text without bytes (empty documents) is counted as one byte."""
    return bits / max(num_bytes, 1)


class Window(NamedTuple):
    """Inputs begin .. end - 1 of a document; the predictions from `first_scored` on count."""

    document: int
    begin: int
    first_scored: int
    end: int


@dataclass(frozen=True)
class Section:
    """Tokens of a document that are scored together: all of them, or some with what the first window sees before them."""

    tokens: npt.NDArray[np.unsignedinteger]
    begin: int = 0
    """Where the first window begins."""
    scored: int = 0
    """Tokens at the start that were scored with the section before."""

    @property
    def num_scored(self) -> int:
        return len(self.tokens) - self.scored


def sections(pieces: Iterable[npt.NDArray[np.unsignedinteger]], window_len: int, stride: int, max_tokens: int) -> Iterator[Section]:
    """Yield a document that comes in pieces as sections of about `max_tokens`, cut so that the windows are those of the whole."""
    held, begin, scored = np.empty(0, np.uint32), 0, 0
    for piece in pieces:
        held = np.concatenate([held, piece])
        if len(held) >= max(max_tokens, begin + window_len):
            last_begin = begin + (len(held) - begin - window_len) // stride * stride
            yield Section(held[: last_begin + window_len], begin, scored)
            held = held[last_begin + stride - 1 :]  # the token before a window is its first input
            begin, scored = 1, 1 + window_len - stride
    if len(held) > scored:
        yield Section(held, begin, scored)


def windows(document: int, num_tokens: int, window_len: int, stride: int, begin: int = 0, scored: int = 0) -> Iterator[Window]:
    """Yield windows, each `stride` after the one before, that score every token from `scored` on once."""
    while scored < num_tokens:
        end = min(begin + window_len, num_tokens)
        yield Window(document, begin, scored, end)
        begin, scored = begin + stride, end


def score_documents(
    model: Transformer, documents: Sequence[npt.NDArray[np.unsignedinteger]], opening_id: int, stride: int | None, batch: int
) -> npt.NDArray[np.float64]:
    """Return the nats of each document; a document is its tokens with the final end-of-document (see `score_sections`)."""
    stride = resolve_stride(stride, model.config.max_seq_len)
    with progress("evaluate", sum(map(len, documents))) as bar:
        return score_sections(model, [Section(tokens) for tokens in documents], opening_id, stride, batch, bar.advance)


def score_sections(
    model: Transformer,
    parts: Sequence[Section],
    opening_id: int,
    stride: int,
    batch: int,
    advance: Callable[[int], None],
) -> npt.NDArray[np.float64]:
    """Return the nats of each section; `advance` is told of every batch how many tokens it scored.

    The log-softmax is taken in float32 and only where it counts. Raises DivergedError if it is not finite.
    """
    nats = np.zeros(len(parts))
    for rows, losses in _score_windows(model, parts, opening_id, stride, batch):
        lengths = [row.end - row.first_scored for row in rows]
        np.add.at(nats, np.repeat([row.document for row in rows], lengths), losses)
        advance(sum(lengths))
    _check_finite(nats)
    return nats


def score_tokens(
    model: Transformer,
    documents: Sequence[npt.NDArray[np.unsignedinteger]],
    opening_id: int,
    stride: int,
    batch: int,
    advance: Callable[[int], None],
) -> npt.NDArray[np.float64]:
    """Return the nats of each token of the documents, one after the other (see `score_sections`)."""
    starts = np.cumsum([0, *map(len, documents)])
    nats = np.zeros(int(starts[-1]))
    for rows, losses in _score_windows(model, [Section(tokens) for tokens in documents], opening_id, stride, batch):
        begin = 0
        for row in rows:
            place, size = int(starts[row.document]), row.end - row.first_scored
            nats[place + row.first_scored : place + row.end] = losses[begin : begin + size]
            begin += size
        advance(begin)
    _check_finite(nats)
    return nats


def _score_windows(
    model: Transformer, parts: Sequence[Section], opening_id: int, stride: int, batch: int
) -> Iterator[tuple[list[Window], npt.NDArray[np.float64]]]:
    """Yield the windows of each batch, with the nats of all tokens that they score, one window after the other."""
    documents = [part.tokens for part in parts]
    largest, vocab_size = max((int(tokens.max()) for tokens in documents), default=0), model.config.vocab_size
    if largest >= vocab_size:
        raise ArtifactError(f"token {largest:,} is outside the model's vocabulary of {vocab_size:,}: its tokenizer is another's")
    window_len = model.config.max_seq_len
    todo = [
        window
        for i, part in enumerate(parts)
        for window in windows(i, len(part.tokens), window_len, stride, part.begin, part.scored)
    ]
    todo.sort(key=lambda window: window.begin - window.end)  # rows of a batch of nearly one length, the longest first
    for start in range(0, len(todo), batch):
        rows = todo[start : start + batch]
        yield rows, _score_rows(model, *_pad(rows, documents, opening_id)).cpu().double().numpy()


def _check_finite(nats: npt.NDArray[np.float64]) -> None:
    if not np.isfinite(nats).all():
        raise DivergedError("the model's predictions are not finite numbers: its training diverged; lower the learning rate")


def _pad(
    rows: Sequence[Window], documents: Sequence[npt.NDArray[np.unsignedinteger]], opening_id: int
) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"], Bool[Tensor, "batch seq"]]:
    """Return inputs, targets, and which targets count; rows are filled up at the end, where causal attention does not look."""
    width = max(row.end - row.begin for row in rows)
    inputs = np.full((len(rows), width), opening_id, np.int64)
    targets = np.full((len(rows), width), opening_id, np.int64)
    counted = np.zeros((len(rows), width), np.bool_)
    for i, row in enumerate(rows):
        tokens, length = documents[row.document], row.end - row.begin
        targets[i, :length] = tokens[row.begin : row.end]
        inputs[i, 1:length] = tokens[row.begin : row.end - 1]
        inputs[i, 0] = tokens[row.begin - 1] if row.begin else opening_id
        counted[i, row.first_scored - row.begin : length] = True
    return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(counted)


@torch.inference_mode()
def _score_rows(
    model: Transformer, inputs: Int[Tensor, "batch seq"], targets: Int[Tensor, "batch seq"], counted: Bool[Tensor, "batch seq"]
) -> Float[Tensor, " counted"]:
    """Return the nats of the targets that count, row by row."""
    device = model.head.weight.device
    hidden = model.hidden(Inputs(inputs.to(device)))[counted.to(device)]
    wanted = targets[counted].to(device)
    rows = max(_MAX_LOGITS // model.config.vocab_size, 1)
    losses = [
        F.cross_entropy(model.head(vectors).float(), ids, reduction="none")
        for vectors, ids in zip(torch.split(hidden, rows), torch.split(wanted, rows), strict=True)
    ]
    return torch.cat(losses)
