"""The first pass, part by part: records become documents, are normalised and judged, and leave what copies are found by."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from groundup.artifacts.columns import of_type
from groundup.artifacts.documents import CONTAMINATION_SCHEMA, Document
from groundup.core.files import write_json
from groundup.core.memory import give_back
from groundup.curate.dedup.decontaminate import Contamination, Decontaminator, open_decontaminator
from groundup.curate.dedup.minhash import NUM_BANDS, band_keys
from groundup.curate.dedup.shingles import as_sets, word_runs
from groundup.curate.dedup.words import Hashes, Offsets, read_words
from groundup.curate.drops import Drop, excerpt
from groundup.curate.funnel import Funnel
from groundup.curate.groups.finder import open_finder
from groundup.curate.groups.tally import GroupTally
from groundup.curate.language.identify import LanguageIdentifier
from groundup.curate.ledger.tallies import Tally, count
from groundup.curate.normalise import normalise
from groundup.curate.passes.work import PartTask, ReadPart, read_batches, whole_folder
from groundup.curate.perplexity.buckets import NO_MODEL, STAGE, Buckets
from groundup.curate.rules.chosen import chosen_sets
from groundup.curate.rules.histogram import Histograms
from groundup.curate.rules.judge import Judge, Verdict
from groundup.curate.stages import stages_of

BATCH_DOCUMENTS = 256
BATCH_CHARS = 1 << 20
"""Documents are worked on together, up to so many or so long: what a call costs is shared by them."""

_TEXTS = ("id", "text", "url", "language", "meta", "bucket")
ROW_SCHEMA = pa.schema(
    [("record", pa.int64()), *((name, pa.string()) for name in _TEXTS), ("perplexity", pa.float64()), ("groups", pa.int64())]
)
DROP_SCHEMA = pa.schema(
    [
        ("record", pa.int64()),
        *((name, pa.string()) for name in ("id", "stage", "rule", "excerpt", "twin_id")),
        ("value", pa.float64()),
        ("threshold", pa.float64()),
    ]
)
EDIT_SCHEMA = pa.schema(
    [
        ("record", pa.int64()),
        *((name, pa.string()) for name in ("id", "stage", "rule")),
        *((name, pa.int64()) for name in ("count", "bytes")),
    ]
)
FOUND_SCHEMA = pa.schema([("record", pa.int64()), *CONTAMINATION_SCHEMA])
Records = list[tuple[int, Document]]


def read_part(task: PartTask) -> None:
    """Read one part and leave its documents, its drops and what copies are found by; nothing to do if that is there already."""
    if not task.read.folder.exists():
        with whole_folder(task.read.folder) as folder:
            reader = PartReader(task, ReadPart(folder))
            source = task.work.open_source(task.position)
            reader.run(source.read_part(task.part, task.work.scratch / "divided"))
        del reader
        give_back()


class PartReader:
    """Takes the records of a part through the stages that look at one document alone."""

    def __init__(self, task: PartTask, out: ReadPart) -> None:
        config = task.work.config
        self._task, self._out = task, out
        self._normalise = config.normalise
        self._languages = LanguageIdentifier(config.languages) if config.languages.is_on else None
        self._judge = Judge(chosen_sets(config))
        self._buckets = Buckets(config.perplexity) if config.perplexity.is_on else None
        self._bucket_tally: Tally = {}
        self._funnel = Funnel(stages_of(config))
        self._histograms, self._edit_tally = Histograms(), dict[str, Any]()
        self._finder = open_decontaminator(config.decontaminate.model_dump_json()) if config.decontaminate.items else None
        self._groups = open_finder(config.groups.model_dump_json()) if config.groups.enabled else None
        self._group_tally = GroupTally()
        self._named: dict[int, int] = {}
        """Record -> groups that it names, of those that are on their way through the stages."""
        self._min_share = config.decontaminate.min_share
        self._contamination = _Table(out.contamination, FOUND_SCHEMA)
        self._rows, self._drops = _Table(out.rows, ROW_SCHEMA), _Table(out.drops, DROP_SCHEMA)
        self._edits = _Table(out.edits, EDIT_SCHEMA)
        self._comparable = _Comparable(out)
        self._id_keys: list[bytes] = []
        self._num_texts, self._first_problem = 0, ""

    def run(self, found: Iterable[Document | Drop]) -> None:
        """Take the records of the part, in their order."""
        with self._rows, self._drops, self._edits, self._contamination, self._comparable:
            for batch in _batches(self._numbered(found)):
                self._take(batch)
        keys = np.frombuffer(b"".join(self._id_keys), ">u8").astype(np.uint64).reshape(-1, 2)
        np.save(self._out.id_keys, np.ascontiguousarray(keys.T))
        tally = {
            "source": self._task.part.source,
            "records": len(self._id_keys),
            "documents": self._comparable.num_documents,
            "texts": self._num_texts,
            "first_problem": self._first_problem,
            "funnel": self._funnel.to_tally(),
            "histograms": self._histograms.to_json(),
            "edits": self._edit_tally,
            "groups": self._group_tally.to_tally(),
            "buckets": self._bucket_tally,
        }
        write_json(self._out.tally, tally)

    def _numbered(self, found: Iterable[Document | Drop]) -> Iterator[tuple[int, Document]]:
        """Yield what is text, with its number among the records of the part."""
        for record, item in enumerate(found):
            self._id_keys.append(xxhash.xxh3_128_digest(item.id.encode()))
            if isinstance(item, Document) and not item.text.strip():
                place = ", ".join(f"{name} {value}" for name, value in json.loads(item.meta).items())
                item = Drop(item.id, item.source, "collect", "empty", 0, 1, excerpt=excerpt(f"{place}: no text in it"))  # noqa: PLW2901
            if isinstance(item, Drop):
                self._drop(record, item, 0)
                self._first_problem = self._first_problem or f"{item.rule}: {item.excerpt}"
            else:
                self._num_texts += 1
                yield record, item

    def _take(self, batch: Records) -> None:
        """Pass a batch on through the stages."""
        for _, document in batch:
            self._funnel.passed("collect", len(document.text.encode()))
        if self._groups:
            masks = self._groups.find([document.text for _, document in batch]).tolist()
            self._group_tally.came(masks)
            self._named = dict(zip((record for record, _ in batch), masks, strict=True))
        if self._normalise:
            batch = self._normalised(batch)
        if self._languages:
            batch = self._identified(batch, self._languages)
        batch = self._judged(batch)
        if self._buckets:
            batch = self._divided(batch, self._buckets)
        if self._finder:
            batch = self._decontaminated(batch, self._finder)
        if batch:
            self._comparable.add([document.text for _, document in batch])
            records = [record for record, _ in batch]
            named = [self._named.get(record, 0) for record in records]
            columns = [[getattr(document, name) for _, document in batch] for name in (*_TEXTS, "perplexity")]
            self._rows.write([records, *columns, named])

    def _normalised(self, batch: Records) -> Records:
        kept: Records = []
        for record, document in batch:
            size, text = len(document.text.encode()), normalise(document.text)
            if text.strip():
                self._funnel.passed("normalise", size, len(text.encode()))
                kept.append((record, dataclasses.replace(document, text=text)))
            else:
                why = "only control characters and space"
                self._drop(record, Drop(document.id, document.source, "normalise", "empty", 0, 1, excerpt=why), size)
        return kept

    def _identified(self, batch: Records, languages: LanguageIdentifier) -> Records:
        """Return the documents in languages that are kept, each with its language, without lines in others if that is asked."""
        found = languages.identify([document.text for _, document in batch])
        kept: Records = []
        for (record, document), language in zip(batch, found, strict=True):
            size, text = len(document.text.encode()), languages.without_foreign_lines(document.text)
            broken = languages.broken(language, text)
            if broken:
                self._drop(record, Drop(document.id, document.source, "languages", *broken, excerpt=excerpt(document.text)), size)
                continue
            self._funnel.passed("languages", size, len(text.encode()))
            kept.append((record, dataclasses.replace(document, text=text, language=language.code)))
        return kept

    def _judged(self, batch: Records) -> Records:
        """Return the documents as the rules leave them, without those that break one."""
        if not self._judge.rule_sets:
            return batch
        verdicts = self._judge.judge([document.text for _, document in batch], self._histograms)
        kept: Records = []
        for (record, document), verdict in zip(batch, verdicts, strict=True):
            size = self._count(document, verdict)
            found = verdict.broken
            if found is None:
                kept.append((record, dataclasses.replace(document, text=verdict.text)))
                self._note_edits(record, document.id, verdict)
                continue
            what = (found.rule_set, found.rule.name, found.value, found.rule.threshold)
            self._drop(record, Drop(document.id, document.source, *what, excerpt=excerpt(document.text)), size)
        return kept

    def _divided(self, batch: Records, buckets: Buckets) -> Records:
        """Return the documents with their perplexity and bucket, without those in buckets that are not kept."""
        kept: Records = []
        values: dict[str, list[float]] = {}
        for (record, document), found in zip(batch, buckets.divide([document for _, document in batch]), strict=True):
            size = len(document.text.encode())
            if found is None:
                count(self._bucket_tally, NO_MODEL, NO_MODEL, documents=1, bytes=size)
                self._funnel.passed(STAGE, size)
                kept.append((record, document))
                continue
            values.setdefault(found.cuts.rule, []).append(found.perplexity)
            count(self._bucket_tally, found.cuts.language, found.bucket, documents=1, bytes=size)
            if found.is_kept:
                self._funnel.passed(STAGE, size)
                kept.append((record, dataclasses.replace(document, perplexity=found.perplexity, bucket=found.bucket)))
            else:
                what = (STAGE, found.cuts.rule, found.perplexity, found.cuts.threshold(found.bucket))
                self._drop(record, Drop(document.id, document.source, *what, excerpt=excerpt(document.text)), size)
        for rule in sorted(values):
            self._histograms.add(STAGE, rule, "perplexity", np.array(values[rule]))
        return kept

    def _decontaminated(self, batch: Records, finder: Decontaminator) -> Records:
        """Return the documents that hold too little of any item, and write down where items were found in the others."""
        worst: dict[int, Contamination] = {}
        for found in finder.find([document.text for _, document in batch]):
            if found.share >= self._min_share:
                worst[found.document] = max(worst.get(found.document, found), found, key=lambda one: one.share)
                record, document = batch[found.document]
                what = (record, document.id, found.item_id, found.shared, found.of)
                columns = zip(*((*what, start, end) for start, end in found.spans), strict=True)
                self._contamination.write([list(column) for column in columns])
        kept: Records = []
        for place, (record, document) in enumerate(batch):
            size = len(document.text.encode())
            if place in worst:
                item = worst[place]
                why = ("decontaminate", "benchmark_item", item.share, self._min_share, item.item_id)
                self._drop(record, Drop(document.id, document.source, *why, excerpt(document.text)), size)
            else:
                self._funnel.passed("decontaminate", size)
                kept.append((record, document))
        return kept

    def _count(self, document: Document, verdict: Verdict) -> int:
        """Count the document through the sets that it kept; return its bytes before the one that it broke."""
        size = len(document.text.encode())
        for rule_set in self._judge.rule_sets:
            if verdict.broken and verdict.broken.rule_set == rule_set.name:
                break
            after = verdict.bytes_after.get(rule_set.name, size)
            self._funnel.passed(rule_set.name, size, after)
            size = after
        return size

    def _note_edits(self, record: int, document_id: str, verdict: Verdict) -> None:
        for edit in verdict.edits:
            count(self._edit_tally, edit.rule_set, edit.rule, documents=1, count=edit.count, bytes=edit.num_bytes)
            self._edits.write([[record], [document_id], [edit.rule_set], [edit.rule], [edit.count], [edit.num_bytes]])

    def _drop(self, record: int, drop: Drop, num_bytes: int) -> None:
        self._funnel.dropped(drop.stage, drop.rule, num_bytes)
        if record in self._named:
            self._group_tally.dropped(drop.stage, drop.rule, self._named[record])
        values: list[Any] = [record, drop.id, drop.stage, drop.rule, drop.excerpt, drop.twin_id, drop.value, drop.threshold]
        self._drops.write([[value] for value in values])


class _Table:
    """An Arrow file, written batch by batch."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._path = path

    def __enter__(self) -> None:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_file(str(self._path), self._schema, options=options)

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def write(self, columns: list[list[Any]]) -> None:
        for waiting, column in zip(self._columns, columns, strict=True):
            waiting.extend(column)
        if len(self._columns[0]) >= BATCH_DOCUMENTS:
            self._flush()

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [of_type(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._columns = [[] for _ in self._schema]


class _Comparable:
    """What says which documents are alike: keys of whole texts, MinHash bands, shingles."""

    def __init__(self, out: ReadPart) -> None:
        self._out = out
        self._keys: list[Hashes] = []
        self._bands: list[Hashes] = []
        self._counts: list[Offsets] = []
        self._words: list[Offsets] = []

    def __enter__(self) -> None:
        self._shingles = self._out.shingles.open("wb")

    def __exit__(self, *_: object) -> None:
        self._shingles.close()
        zero = np.zeros(1, np.int64)
        np.save(self._out.keys, np.concatenate([np.zeros((2, 0), np.uint64), *(keys.T for keys in self._keys)], axis=1))
        np.save(self._out.bands, np.concatenate([np.zeros((NUM_BANDS, 0), np.uint64), *self._bands], axis=1))
        np.save(self._out.num_words, np.concatenate([zero[:0], *self._words]))
        np.save(self._out.shingle_offsets, np.concatenate([zero, *self._counts]).cumsum())

    @property
    def num_documents(self) -> int:
        return sum(map(len, self._keys))

    def add(self, texts: list[str]) -> None:
        words = read_words(texts)
        found = as_sets(word_runs(words))
        self._keys.append(words.keys)
        self._bands.append(band_keys(found))
        self._words.append(np.diff(words.offsets))
        self._counts.append(np.diff(found.offsets))
        self._shingles.write(found.hashes.tobytes())


def _batches(found: Iterator[tuple[int, Document]]) -> Iterator[Records]:
    """Group documents, at most `BATCH_DOCUMENTS` and not many more than `BATCH_CHARS` characters at a time."""
    batch: Records = []
    size = 0
    for item in found:
        batch.append(item)
        size += len(item[1].text)
        if len(batch) == BATCH_DOCUMENTS or size >= BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def record_ids(part: ReadPart) -> Iterator[tuple[int, str]]:
    """Yield (record, id) of all records of a part, kept or dropped, in no order."""
    for path in (part.rows, part.drops):
        for batch in read_batches(path, ["record", "id"]):
            yield from zip(*(batch.column(name).to_pylist() for name in ("record", "id")), strict=True)
