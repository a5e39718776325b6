"""The mix of the text that was encoded: what each source gives, and which of its documents are kept for that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundup.artifacts.mix import Mix, MixedSource
from groundup.encode.config import MixConfig
from groundup.encode.draw import ALL, Draw, Kept, key_of
from groundup.encode.mix import Part, Supply, divide, notes
from groundup.encode.pieces import Encoded, Piece, read


@dataclass(frozen=True)
class Choice:
    """What is taken of a source."""

    weight: float
    """How often its stream is seen; 0 for never, and none of it is kept."""
    last_key: np.uint64 = ALL

    def keeps(self, documents: Encoded, seed: int) -> npt.NDArray[np.bool_]:
        """Return which of the documents are kept."""
        if not self.weight or self.last_key == ALL:
            return np.full(len(documents.lengths), bool(self.weight))
        chosen: npt.NDArray[np.bool_] = key_of(documents.marks, seed) <= self.last_key
        return chosen


def choose(
    config: MixConfig, pieces: Sequence[Piece], folder: Path, names: Sequence[str], seed: int
) -> tuple[Mix, dict[str, Choice]]:
    """Return the mix of the encoded training text, and what is taken of each source.

    Of a source that has more than its part, documents are drawn by a hash of id and seed until there are enough. One that has less
    is repeated. Raises ConfigError or DataError as `divide` does.
    """
    draws = {name: Draw() for name in names}
    for name, documents in _documents(pieces, folder):
        draws[name].count(key_of(documents.marks, seed), documents.lengths)
    parts = divide(config, [Supply(name, draw.all.tokens, draw.all.documents) for name, draw in draws.items()])
    drawn = [part for part in parts if 0 < part.tokens < part.supply.tokens]
    for part in drawn:
        draws[part.supply.name].aim(part.tokens)
    names_drawn = {part.supply.name for part in drawn}
    for name, documents in _documents(pieces, folder) if drawn else ():
        if name in names_drawn:
            draws[name].look(key_of(documents.marks, seed), documents.lengths)
    kept = [_kept(part, draws[part.supply.name]) for part in parts]
    choices = {
        part.supply.name: Choice(part.tokens / of.tokens if of.tokens else 0.0, of.last_key)
        for part, of in zip(parts, kept, strict=True)
    }
    sources = tuple(_mixed(part, of) for part, of in zip(parts, kept, strict=True))
    return Mix(tokens=sum(part.tokens for part in parts), sources=sources, notes=notes(parts)), choices


def _kept(part: Part, draw: Draw) -> Kept:
    """Return the documents of a source that are kept for its part."""
    if not part.tokens:
        return Kept(ALL, 0, 0)
    return draw.kept() if part.tokens < part.supply.tokens else draw.all


def _mixed(part: Part, kept: Kept) -> MixedSource:
    return MixedSource(
        name=part.supply.name,
        share=float(part.share),
        available_tokens=part.supply.tokens,
        available_documents=part.supply.documents,
        tokens=part.tokens,
        epochs=part.tokens / kept.tokens if kept.tokens else 0.0,
        max_epochs=part.max_epochs,
        kept_tokens=kept.tokens,
        kept_documents=kept.documents,
    )


def _documents(pieces: Sequence[Piece], folder: Path) -> Iterator[tuple[str, Encoded]]:
    for piece in pieces:
        yield from read(piece, folder)
