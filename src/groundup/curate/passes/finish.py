"""The results of all parts as one artifact."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.documents import (
    CLUSTER_SCHEMA,
    CONTAMINATION_SCHEMA,
    DROPPED_SCHEMA,
    EDIT_SCHEMA,
    REDACTION_SCHEMA,
    SPLIT_FOLDERS,
)
from groundup.core.errors import DataError
from groundup.core.files import read_object, storage_errors
from groundup.curate.funnel import Funnel
from groundup.curate.groups.finder import GroupFinder
from groundup.curate.groups.terms import read_terms
from groundup.curate.ledger.alarms import Ground
from groundup.curate.ledger.examples import Examples
from groundup.curate.ledger.groups import GroupFacts, group_facts
from groundup.curate.ledger.tallies import Tally, add_up
from groundup.curate.passes.probe import no_text
from groundup.curate.passes.work import PartTask, Work
from groundup.curate.passes.write import WrittenPart, document_schema, written
from groundup.curate.rules.histogram import Histograms
from groundup.curate.stages import stages_of

_FILE_BYTES = 128 << 20


@dataclass
class Totals:
    """What all parts come to."""

    funnel: Funnel
    funnels: dict[str, Funnel]
    """By source."""
    by_source: dict[str, Tally]
    """Source -> what is counted of it; keys that are missing are 0."""
    edits: Tally = field(default_factory=dict)
    """Stage -> rule about lines, or kind of passages -> what it took out of the documents that kept all rules."""
    histograms: Histograms = field(default_factory=Histograms)
    examples: Examples = field(default_factory=Examples)
    groups: tuple[GroupFacts, ...] = ()

    def total(self, name: str) -> int:
        return sum(counts.get(name, 0) for counts in self.by_source.values())

    def ground(self) -> Ground:
        """Return what alarms are judged by."""
        return Ground(self.funnel, self.funnels, self.by_source, self.groups)


def totals(work: Work, tasks: Sequence[PartTask]) -> Totals:
    """Return the sums over all parts."""
    stages, sources = stages_of(work.config), [source.name for source in work.config.sources]
    found = Totals(Funnel(stages), {name: Funnel(stages) for name in sources}, {name: {} for name in sources})
    passages: Tally = {}
    for task in tasks:
        source, read, wrote = task.part.source, read_object(task.read.tally), read_object(written(task).tally)
        for funnel in (found.funnel, found.funnels[source]):
            funnel.add(read["funnel"])
            funnel.add(wrote["funnel"])
        add_up(found.by_source[source], {"records": read["records"], **wrote["counts"]})
        for groups in (read["groups"], wrote["groups"]) if work.config.groups.enabled else ():
            add_up(found.by_source[source], {"groups": groups})
        add_up(found.by_source[source], {"buckets": read["buckets"]} if read["buckets"] else {})
        add_up(found.edits, read["edits"])
        found.histograms.merge(Histograms.from_json(read["histograms"]))
        found.examples.merge(wrote["examples"])
        add_up(passages, wrote["edits"])
    found.edits.update(passages)
    if work.config.groups.enabled:
        names = GroupFinder(read_terms(work.config.groups.terms)).names
        found.groups = group_facts(names, stages, found.by_source)
    return found


def check_sources(work: Work, tasks: Sequence[PartTask]) -> None:
    """Raise DataError for a source in which nothing was text."""
    texts: Counter[str] = Counter()
    problems: dict[str, str] = {}
    for task in tasks:
        tally = read_object(task.read.tally)
        texts[task.part.source] += tally["texts"]
        problems[task.part.source] = problems.get(task.part.source) or tally["first_problem"]
    for source in work.config.sources:
        if not texts[source.name]:
            raise DataError(no_text(source.name, problems.get(source.name, "")))


def gather(tasks: Sequence[PartTask], out: Path) -> None:
    """Put the tables of the parts into the folders of the artifact.

    What the parts hold stays as it is: after a kill the artifact's folders are cleared, and this is called again.
    """
    parts = [written(task) for task in tasks]
    _link_documents(parts, out / SPLIT_FOLDERS["train"])
    _join([part.validation for part in parts], out / SPLIT_FOLDERS["validation"], document_schema(tasks[0].work.config))
    _join([part.dropped for part in parts], out / "dropped", DROPPED_SCHEMA)
    if tasks[0].work.config.decontaminate.items:
        _join([part.contamination for part in parts], out / "contamination", CONTAMINATION_SCHEMA)
    _join([part.redactions for part in parts], out / "redactions", REDACTION_SCHEMA)
    _join([part.clusters for part in parts], out / "clusters", CLUSTER_SCHEMA)
    _join([part.edits for part in parts], out / "edits", EDIT_SCHEMA)


def check_rows(out: Path, rows: Mapping[str, int]) -> None:
    """Fail if a folder of the artifact does not hold as many rows as were counted: nothing is lost unseen."""
    for folder, counted in rows.items():
        with storage_errors(out / folder):
            found = sum(pq.read_metadata(file).num_rows for file in (out / folder).glob("*.parquet"))
        assert found == counted, f"{out / folder}: {found:,} rows written, {counted:,} counted"


def _link_documents(parts: Sequence[WrittenPart], folder: Path) -> None:
    """Give the tables of documents, one file a part, a second name in the folder: they are large, and stay as they are."""
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
        for number, part in enumerate(parts):
            path = folder / f"part-{number:05d}.parquet"
            path.unlink(missing_ok=True)
            try:
                path.hardlink_to(part.documents)
            except OSError:  # not every file system has second names
                shutil.copyfile(part.documents, path)


def _join(files: Sequence[Path], folder: Path, schema: pa.Schema) -> None:
    """Write the rows of all files into numbered files, row group by row group."""
    with storage_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        waiting = list(files)
        for number in range(len(files) + 1):
            if not waiting and number:
                return
            path = folder / f"part-{number:05d}.parquet"
            with pq.ParquetWriter(path.absolute(), schema, compression="zstd") as writer:
                size = 0
                while waiting and size < _FILE_BYTES:
                    size += _append(waiting.pop(0), writer)


def _append(file: Path, writer: pq.ParquetWriter) -> int:
    """Copy the rows of a file; return its size."""
    with pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            writer.write_table(parquet.read_row_group(group))
    return file.stat().st_size
