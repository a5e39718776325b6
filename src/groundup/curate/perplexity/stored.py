"""A perplexity model on disk, its n-grams mapped and not read: workers share them in memory."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.artifacts.perplexity_model import FACTS_FILE, FORMAT_VERSION, PIECES_FILE, PerplexityModel
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import storage_errors, write_bytes, write_json
from groundup.curate.perplexity.ngrams import NgramModel, Ngrams
from groundup.curate.perplexity.pieces import MAX_CHARS, Pieces
from groundup.curate.perplexity.quantiles import Floats, value_at

_BATCH_CHARS = 1 << 17
"""Scored at once: their arrays stay in the processor's cache."""
_ARRAYS: dict[str, type[np.generic]] = {"keys": np.uint64, "starts": np.uint32, "log_probs": np.float32, "backoffs": np.float32}
_HASH_CHARS = 12


class PerplexityScorer:
    """Measures how well the model foresees texts."""

    def __init__(self, pieces: Pieces, model: NgramModel, quantiles: Sequence[float], name: str) -> None:
        self._pieces, self._model, self._quantiles = pieces, model, quantiles
        self.name = name

    def perplexities(self, texts: Sequence[str]) -> Floats:
        """Return exp(-mean ln p(token | those before)) of each text, or of its first `MAX_CHARS` characters."""
        found = [self._model.perplexities(self._pieces.stream(batch)) for batch in _batches(texts)]
        return np.array([value for values in found for value in values])

    def at(self, percent: float) -> float:
        """Return the perplexity below which so many percent of the texts lie that the model was calibrated with."""
        return value_at(self._quantiles, percent)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = num_chars = 0
    for end, text in enumerate(texts):
        length = min(len(text), MAX_CHARS)
        if end > start and num_chars + length > _BATCH_CHARS:
            yield texts[start:end]
            start, num_chars = end, 0
        num_chars += length
    if len(texts) > start:
        yield texts[start:]


def write_model(out: Path, pieces: Pieces, model: NgramModel, facts: dict[str, Any]) -> None:
    """Write the model with what is known of it."""
    write_bytes(out / PIECES_FILE, pieces.model)
    for length, ngrams in enumerate(model.ngrams, start=1):
        for name, array in ngrams.arrays().items():
            with storage_errors(out):
                np.save(out / _file(length, name), array, allow_pickle=False)
    write_json(out / FACTS_FILE, {"version": FORMAT_VERSION, **facts})


def open_scorer(path: Path) -> PerplexityScorer:
    """Return the model of a folder; raise ArtifactError if it is none, damaged, or of another version.

    Its bytes are compared with its hashes once in each process.
    """
    artifact = PerplexityModel.open(path)
    return _opened(path, artifact.content_hash)


@functools.lru_cache(maxsize=8)
def _opened(path: Path, content_hash: str) -> PerplexityScorer:
    artifact = PerplexityModel.open(path)
    facts = artifact.facts
    artifact.check_whole()
    try:
        pieces = Pieces((path / PIECES_FILE).read_bytes())
        model = NgramModel(tuple(_ngrams(path, length) for length in range(1, int(facts["order"]) + 1)))
        quantiles = [float(value) for value in facts["quantiles"]]
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, EOFError) as error:
        raise ArtifactError(f"{path}: not a perplexity model that can be read ({error!r}); {REMAKE}") from None
    if len(pieces) != model.num_tokens:
        raise ArtifactError(f"{path}: {len(pieces):,} pieces and probabilities of {model.num_tokens:,}; {REMAKE}")
    return PerplexityScorer(pieces, model, quantiles, f"perplexity model {content_hash[:_HASH_CHARS]}")


def _ngrams(path: Path, length: int) -> Ngrams:
    return Ngrams.from_arrays({name: _array(path / _file(length, name), dtype) for name, dtype in _ARRAYS.items()})


def _array(file: Path, dtype: type[np.generic]) -> npt.NDArray[Any]:
    array = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    if array.ndim != 1 or array.dtype != dtype:
        raise ValueError(f"{file.name} holds {array.dtype} {array.shape}, a row of {np.dtype(dtype)} expected")
    return array


def _file(length: int, name: str) -> str:
    return f"{length}gram_{name}.npy"
