"""Curate: raw text in; documents, a validation split, and a reason for everything dropped out."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import SPLIT_FOLDERS
from groundup.artifacts.perplexity_model import PerplexityModel
from groundup.artifacts.text_classifier import TextClassifier
from groundup.core.engines import Engine, open_engine
from groundup.core.errors import DataError
from groundup.core.files import hash_file, hash_json, read_object, storage_errors
from groundup.core.log import say
from groundup.core.memory import give_back
from groundup.core.progress import progress
from groundup.curate.config import CurateConfig
from groundup.curate.dedup.decontaminate import open_decontaminator
from groundup.curate.dedup.items import item_files
from groundup.curate.funnel import Funnel
from groundup.curate.groups.terms import read_terms
from groundup.curate.language.identify import LanguageIdentifier
from groundup.curate.ledger.alarms import Alarm, raised
from groundup.curate.ledger.write import write_ledger
from groundup.curate.passes.clusters import write_clusters
from groundup.curate.passes.crew import crew
from groundup.curate.passes.decide import VALIDATION, Fates, hold_out, write_decisions, write_held_out
from groundup.curate.passes.finish import Totals, check_rows, check_sources, gather, totals
from groundup.curate.passes.forecast import Forecast, check_disk, forecast
from groundup.curate.passes.match import Corpus, best_copies, first_of_equals, near_duplicates
from groundup.curate.passes.names import unique_names
from groundup.curate.passes.passages import find_repeated, hash_passages
from groundup.curate.passes.plan import part_tasks
from groundup.curate.passes.probe import probe_sources
from groundup.curate.passes.read import read_part
from groundup.curate.passes.work import PartTask, Work
from groundup.curate.passes.write import write_part
from groundup.curate.privacy.presidio import check_installed, pipeline_hash
from groundup.curate.rules.chosen import classifiers, perplexity_models, word_lists
from groundup.curate.sources import SOURCES
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.lines import is_packed

LINEAGE = "sources.jsonl"
"""Every file that was read. Not in the content hash: a changed file whose kept text is the same changes nothing downstream."""
_KEY_CHARS = 16


def source_hashes(config: CurateConfig) -> dict[str, str]:
    """Return a hash of each source, over names and bytes of all files that it reads, and of each list, model and pipeline."""
    check_installed(config.redact.kinds)
    lists = {f"rules/{name}": hash_file(path) for name, path in word_lists(config).items()}
    lists |= {f"classifiers/{name}": TextClassifier.open(path).content_hash for name, path in classifiers(config).items()}
    if config.groups.terms is not None:
        read_terms(config.groups.terms)  # a file that holds none is an error before anything is made
        lists["groups/terms"] = hash_file(config.groups.terms)
    if config.redact.person_pipeline is not None:
        lists["redact/person_pipeline"] = pipeline_hash(config.redact.person_pipeline)
    for number, given in enumerate(config.decontaminate.items):
        lists[f"decontaminate/{number}"] = hash_json([(file.name, hash_file(file)) for file in item_files(given.path)])
    asked = {f"perplexity/{name}": path for name, path in perplexity_models(config).items()}
    asked |= {f"perplexity {language}": path for language, path in config.perplexity.models.items()}
    lists |= {name: PerplexityModel.open(path).content_hash for name, path in asked.items()}
    return lists | {source.config.name: source.fingerprint() for source in _open_sources(config)}


def run(config: CurateConfig, job: Job) -> Outcome:
    """Write documents/, validation/, dropped/, redactions/, clusters/, edits/ and what the ledger tells of them into `job.out`.

    If items of benchmarks are sought, also contamination/.
    The text is read once, part by part, then all documents are compared by hashes, then the parts are written. The order of
    documents is that of the sources in the recipe, files by name, records as they lie, whatever the workers. Parts that an
    interrupted run finished are taken over. Raises DataError if a source holds no text or nothing is left to train on.
    """
    _say_too_short(config)
    if config.languages.is_on:
        LanguageIdentifier(config.languages)  # a language that is not known is an error before the work
    work = open_work(config, job)
    with open_engine(crew(work, job.workers)) as engine:
        tasks = part_tasks(work, engine)
        probe_sources(tasks, engine)
        _say_forecast(work, tasks, engine)
        _each_part(engine, read_part, tasks, "reading and filtering")
        decide(work, tasks, engine)
        if config.repeated_passages.is_on:
            _each_part(engine, hash_passages, tasks, "hashing passages")
            find_repeated(work, tasks)
        give_back()
        _each_part(engine, write_part, tasks, "redacting and writing")
    found = totals(work, tasks)
    found.funnel.check_flow()
    counts = _counts(found)
    if not counts["documents"]:
        raise DataError(_nothing_left(found.funnel))
    alarms = raised(config.alarms, found.ground())
    _sound(alarms, config.alarms.stop)
    gather(tasks, job.out)
    rows = {SPLIT_FOLDERS["train"]: "documents", SPLIT_FOLDERS["validation"]: "validation_documents", "dropped": "dropped"}
    check_rows(job.out, {folder: counts[name] for folder, name in rows.items()})
    write_ledger(job.out, work, found, alarms)
    _write_lineage(job.out / LINEAGE, _open_sources(config))
    return Outcome(counts, volatile=frozenset({LINEAGE}))


def foresee(config: CurateConfig, job: Job) -> Forecast | None:
    """Return what `run` would take; samples of the text are read for that, and nothing is written into `job.out`.

    None if a large file is compressed, or on the Hub: it is unpacked first, and the work says what it takes once that is done.
    """
    with tempfile.TemporaryDirectory(prefix="groundup-") as folder:
        work = Work(config, job.seed, Path(folder), job.workers.memory_bytes)
        sources = [work.open_source(position) for position in range(len(config.sources))]
        if any(_is_unpacked(source, file) for source in sources for file in source.files()):
            return None
        with open_engine(crew(work, job.workers)) as engine:
            tasks = part_tasks(work, engine)
            return forecast(work, tasks, engine) if tasks else None


def _is_unpacked(source: Source, file: SourceFile) -> bool:
    return source.is_divided(file) and (source.config.kind == "hf" or is_packed(file.name))


def _say_too_short(config: CurateConfig) -> None:
    """Say how many items of benchmarks cannot be sought."""
    if config.decontaminate.items:
        too_short = open_decontaminator(config.decontaminate.model_dump_json()).too_short
        if too_short:
            names = ", ".join(too_short[:3]) + (", ..." if len(too_short) > 3 else "")
            say(f"curate.decontaminate: {len(too_short):,} items are too short to be sought ({names})", style="yellow")


def open_work(config: CurateConfig, job: Job) -> Work:
    """Return the curation with a folder for what passes leave for each other; what other settings or sources left is removed."""
    scratch = job.scratch / job.key[:_KEY_CHARS]
    with storage_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        for path in job.scratch.iterdir():
            if path != scratch:
                shutil.rmtree(path)
    return Work(config, job.seed, scratch, job.workers.memory_bytes)


def _say_forecast(work: Work, tasks: Sequence[PartTask], engine: Engine) -> None:
    """Say what the curation takes, if it is more than a moment; raise BudgetError if the disk is too small."""
    if len(tasks) > 1:
        found = forecast(work, tasks, engine)
        check_disk(found, work.scratch)
        say(f"  curate: {found.words()}")


def _each_part(engine: Engine, function: Callable[[PartTask], None], tasks: Sequence[PartTask], title: str) -> None:
    """Call the function with every part."""
    with progress(title, max(sum(task.part.num_bytes for task in tasks), 1)) as bar:
        for number, _ in engine.run(function, tasks):
            bar.advance(tasks[number].part.num_bytes)


def decide(work: Work, tasks: Sequence[PartTask], engine: Engine) -> None:
    """Compare all documents, and write down what becomes of each; raise DataError for a source that holds no text."""
    check_sources(work, tasks)
    config = work.config
    tallies = [read_object(task.read.tally) for task in tasks]
    records, documents = (np.cumsum([0, *(tally[name] for tally in tallies)]) for name in ("records", "documents"))
    first = first_of_equals([task.read.id_keys for task in tasks], work.scratch / "same_ids.npy", work.memory_bytes)
    names = unique_names(tasks, first, records)
    corpus = Corpus(tasks, documents, names)
    kept = np.arange(len(corpus))
    if config.deduplicate:
        first = first_of_equals([task.read.keys for task in tasks], work.scratch / "copies.npy", work.memory_bytes)
        kept = best_copies(corpus, first)
        give_back()
    near = None
    if config.near_duplicates.enabled:
        near = near_duplicates(corpus, np.flatnonzero(kept != np.arange(len(corpus))), engine, work)
        give_back()
    write_clusters(corpus, near, work)
    fates = Fates.of(kept, near.survivors if near else None)
    del first, kept, near
    hold_out(corpus, fates, engine, work)
    give_back()
    write_decisions(corpus, fates, work)
    held_out = np.flatnonzero(fates.fates == VALIDATION)
    del fates
    give_back()
    write_held_out(corpus, held_out, work)


def _open_sources(config: CurateConfig) -> list[Source]:
    return [SOURCES[source.kind](source, config.part_bytes) for source in config.sources]


def _counts(found: Totals) -> dict[str, int]:
    counts = {
        "collected": found.total("records"),
        "documents": found.total("documents"),
        "validation_documents": found.total("validation"),
        "dropped": found.total("dropped"),
        "bytes": found.total("documents_bytes"),
        "validation_bytes": found.total("validation_bytes"),
        "redactions": found.total("redactions"),
    }
    accounted = counts["documents"] + counts["validation_documents"] + counts["dropped"]
    assert accounted == counts["collected"], f"{counts['collected']} documents collected, {accounted} accounted for"
    return counts


def _nothing_left(funnel: Funnel) -> str:
    stage, rule, number = funnel.worst_rule()
    collected = next(iter(funnel.stages.values())).docs_in
    return (
        f"nothing is left to train on of {collected:,} documents: rule '{rule}' of stage '{stage}' dropped most ({number:,}); "
        f"give more text, or choose other curate.rules, curate.validation or curate.leakage_threshold"
    )


def _sound(alarms: Sequence[Alarm], stop: bool) -> None:
    """Say each alarm; raise DataError if that is to end the work."""
    if stop and alarms:
        said = "\n".join(f"- {alarm.message}" for alarm in alarms)
        raise DataError(
            f"nothing is made, as curate.alarms.stop is true and there are alarms; mend the causes or say stop: false\n{said}"
        )
    for alarm in alarms:
        say(f"curate: {alarm.message}", style="yellow")


def _write_lineage(path: Path, sources: Sequence[Source]) -> None:
    """Write one line a source file: what it was when it was read."""
    with storage_errors(path), path.open("w", encoding="utf-8") as lines:
        for source in sources:
            for entry in source.lineage():
                lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
