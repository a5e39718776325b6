"""The held-out documents that the model and every baseline are scored on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundup.artifacts.documents import Documents
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError, DataError
from groundup.core.seeds import derive_seed


@dataclass(frozen=True)
class HeldOutDocument:
    """One document, as text and as the tokens that are scored: its own and the end-of-document after them."""

    id: str
    source: str
    text: bytes
    tokens: npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class HeldOut:
    """What is scored, beside what it was held out from."""

    chosen: tuple[HeldOutDocument, ...]
    """In order of id."""
    documents: Documents
    shards: TokenShards

    @property
    def num_bytes(self) -> int:
        return sum(len(document.text) for document in self.chosen)


def choose_held_out(documents: Documents, shards: TokenShards, max_bytes: int) -> HeldOut:
    """Return whole documents of the validation split, at most `max_bytes` of text, one at least.

    They are taken in the order of a hash of their id, passing over those that do not fit any more, so that every source is there
    by its share and the choice is the same for every seed. Raises DataError if nothing is held out.
    """
    places = {}
    for source in shards.info.sources:
        for row in shards.index("validation", source.name).to_pylist():
            places[source.name, row["id"]] = row
    chosen: set[tuple[str, str]] = set()
    left_bytes = max_bytes
    for place in sorted(places, key=lambda place: (derive_seed(0, "held-out", *place), place)):
        if places[place]["bytes"] <= left_bytes or not chosen:
            left_bytes -= places[place]["bytes"]
            chosen.add(place)
    found = []
    for document in documents.read("validation"):
        place = (document.source, document.id)
        if place in chosen:
            row = places[place]
            tokens = shards.tokens("validation", document.source)[row["start"] : row["start"] + row["tokens"]]
            found.append(HeldOutDocument(document.id, document.source, document.text.encode(), tokens))
    if len(found) != len(chosen):
        raise ArtifactError(f"{shards.path}: made from other documents than those in {documents.path}; encode them again")
    held_out = HeldOut(tuple(sorted(found, key=lambda document: (document.id, document.source))), documents, shards)
    if not held_out.num_bytes:
        raise DataError(f"{documents.path}: no text is held out to evaluate on; set curate.validation above 0, or add text")
    return held_out


def check_tokens(held_out: HeldOut, tokenizer: TextTokenizer, origin: str) -> None:
    """Raise ArtifactError unless `tokenizer`, read from `origin`, makes exactly the shards' tokens of the held-out text."""
    encoded = tokenizer.encode_batch([document.text.decode() for document in held_out.chosen])
    for document, ids in zip(held_out.chosen, encoded, strict=True):
        if [*ids, tokenizer.eos_id] != document.tokens.tolist():
            raise ArtifactError(
                f"{origin}: cuts document '{document.id}' into {len(ids) + 1:,} tokens that are not the "
                f"{len(document.tokens):,} of {held_out.shards.path}; the model was trained on the tokens of another tokenizer"
            )
