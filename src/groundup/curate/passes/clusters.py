"""A few clusters of near-duplicates with the beginnings of their texts: the largest ones, and some drawn by a hash of their ids."""

from typing import Any

import numpy as np

from groundup.core.files import write_json
from groundup.curate.dedup.survivors import KEPT, Survivors
from groundup.curate.drops import excerpt, shown
from groundup.curate.passes.match import Corpus, Near
from groundup.curate.passes.work import Numbers, ReadPart, Work, read_batches
from groundup.curate.privacy.redactor import Redactor
from groundup.curate.split import places

NUM_LARGEST = 5
NUM_DRAWN = 5
NUM_MEMBERS = 6
"""Documents of a cluster that are shown."""
_NUM_KEPT = 2
"""Of these, documents that stay; the others are those least similar to their twins, where an error would show first."""


def write_clusters(corpus: Corpus, near: Near | None, work: Work) -> None:
    """Write what there is to see of near-duplicates into the scratch folder, for the ledger."""
    facts: dict[str, Any] = {"clusters": 0, "documents": 0, "dropped": 0, "sizes": {}, "shown": [], "similarities": []}
    if near is not None:
        found = near.survivors
        heads, sizes = np.unique(found.clusters, return_counts=True)
        dropped = int((found.twins != KEPT).sum())
        facts |= {"clusters": len(heads), "documents": len(found.documents), "dropped": dropped, "sizes": _by_size(sizes)}
        facts |= {"shown": _shown(corpus, found, heads, sizes, work), "similarities": near.similarities}
    write_json(work.scratch / "clusters.json", facts)


def _by_size(sizes: Numbers) -> dict[str, int]:
    """Return how many clusters there are of 2, 3 to 4, 5 to 8 documents and so on."""
    powers = np.ceil(np.log2(sizes)).astype(np.int64)
    names = {power: f"{(1 << (power - 1)) + 1}-{1 << power}" if power > 1 else "2" for power in powers.tolist()}
    return {names[power]: int((powers == power).sum()) for power in sorted(names)}


def _shown(corpus: Corpus, found: Survivors, heads: Numbers, sizes: Numbers, work: Work) -> list[dict[str, Any]]:
    """Return the chosen clusters with their documents."""
    largest = np.lexsort((heads, -sizes))[:NUM_LARGEST]
    others = np.setdiff1d(np.arange(len(heads)), largest)
    drawn = others[np.argsort(places(corpus.ids(heads[others]).to_pylist(), work.seed), kind="stable")][:NUM_DRAWN]
    chosen = [*((number, "largest") for number in largest.tolist()), *((number, "drawn") for number in sorted(drawn.tolist()))]
    members = {number: _members(found, int(heads[number])) for number, _ in chosen}
    numbers = np.unique(np.concatenate([np.zeros(0, np.int64), *(found.documents[rows] for rows in members.values())]))
    twins = found.twins[np.concatenate([np.zeros(0, np.int64), *members.values()])]
    known = np.union1d(np.union1d(numbers, twins[twins != KEPT]), heads[[number for number, _ in chosen]])
    ids = dict(zip(known.tolist(), corpus.ids(known).to_pylist(), strict=True))
    excerpts = _excerpts(corpus, numbers, work)
    shown = []
    for number, why in chosen:
        documents = [_fact(found, row, ids, excerpts) for row in members[number].tolist()]
        shown.append({"cluster_id": ids[int(heads[number])], "size": int(sizes[number]), "chosen": why, "documents": documents})
    return shown


def _members(found: Survivors, head: int) -> Numbers:
    """Return the places in `found` of the documents of a cluster that are shown."""
    rows = np.flatnonzero(found.clusters == head)
    kept = rows[found.twins[rows] == KEPT][:_NUM_KEPT]
    goes = rows[found.twins[rows] != KEPT]
    order = np.argsort(found.similarities[goes], kind="stable")
    return np.concatenate([kept, goes[order][: NUM_MEMBERS - len(kept)]])


def _fact(found: Survivors, row: int, ids: dict[int, str], excerpts: dict[int, tuple[str, str]]) -> dict[str, Any]:
    number, twin = int(found.documents[row]), int(found.twins[row])
    source, text = excerpts[number]
    goes = twin != KEPT
    return {
        "id": ids[number],
        "source": source,
        "twin_id": ids[twin] if goes else None,
        "similarity": float(found.similarities[row]) if goes else None,
        "excerpt": text,
    }


def _excerpts(corpus: Corpus, numbers: Numbers, work: Work) -> dict[int, tuple[str, str]]:
    """Return source and beginning, without personal data, of the documents with these numbers, which must be sorted."""
    redactor = Redactor(work.config.redact) if work.config.redact.is_on else None
    found = {}
    for part, rows in corpus.split(numbers):
        task = corpus.tasks[part]
        for row, text in _texts(task.read, rows).items():
            found[int(corpus.starts[part]) + row] = (task.part.source, shown(excerpt(text), redactor))
    return found


def _texts(part: ReadPart, rows: Numbers) -> dict[int, str]:
    """Return the texts of some documents of a part."""
    found = {}
    first = 0
    for batch in read_batches(part.rows, ["text"]):
        for row in rows[(rows >= first) & (rows < first + len(batch))].tolist():
            found[row] = str(batch.column("text")[row - first].as_py())
        first += len(batch)
    return found
