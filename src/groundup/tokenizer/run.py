"""Train a tokenizer on the curated text, or import one."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import processors

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import Documents, Split
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE, SpecialNames
from groundup.artifacts.tokenizer import EXTENSION_FILE, TOKENIZER_FILE, TextTokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer, tokenizer_files
from groundup.core.errors import DataError
from groundup.core.files import hash_file, write_json, write_text
from groundup.core.log import say
from groundup.core.units import format_bytes
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.extend import extend
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.sample import Sample
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.verify import verify, verify_extension

FACTS_FILE = "facts.json"
MEASURED_BYTES = 20_000_000
_BATCH = 64


def source_hashes(config: TokenizerConfig) -> dict[str, str]:
    """Return a hash of every file of an imported tokenizer; raise ArtifactError if there is none."""
    return {} if config.path is None else {file.name: hash_file(file) for file in tokenizer_files(config.path)}


def run(config: TokenizerConfig, job: Job) -> Outcome:
    """Write tokenizer.json, special_tokens.json and facts.json of a tokenizer learned from the training split, imported, or
    imported and extended (extension.json: what the new tokens stand for).

    Raises DataError if there is no training text. Too little text for `vocab_size` gives a smaller vocabulary, and says so.
    """
    if config.path is None:
        facts = _train(config, job)
    elif config.algorithm == "extend":
        facts = _extend(config, config.path, job)
    else:
        facts = _bring(config.path, job)
    tokenizer = TextTokenizer.from_file(job.out / TOKENIZER_FILE)
    measured = _measure(tokenizer, job.open("curate", Documents)) if "curate" in job.inputs else {}
    facts = {"algorithm": config.algorithm, "vocab_size": tokenizer.vocab_size, **facts, **measured}
    write_json(job.out / FACTS_FILE, facts)
    return Outcome(counts={key: facts[key] for key in ("vocab_size", "trained_on_bytes", "bytes_per_token") if key in facts})


def _train(config: TokenizerConfig, job: Job) -> dict[str, Any]:
    """Learn a tokenizer from the training split, write it, and return what it was learned from."""
    documents = job.open("curate", Documents)
    texts = Sample(documents, config.sample_bytes, job.seed)
    special = config.special_names
    preparation = Preparation(config.normalisation, config.pre_tokenizer)
    trained = TRAINERS[config.algorithm](texts, config.vocab_size, special.distinct(), preparation)
    engine = trained.engine
    if not texts.bytes:
        raise DataError(f"{documents.path}: no training text to learn a tokenizer from; add sources or loosen curate.rules")
    if engine.get_vocab_size() < config.vocab_size:
        say(
            f"  tokenizer: {format_bytes(texts.bytes)} of text hold only {engine.get_vocab_size():,} useful tokens of the "
            f"{config.vocab_size:,} asked for (tokenizer.vocab_size)"
        )
    _write(job.out, engine, special)
    verified = verify(TextTokenizer.from_file(job.out / TOKENIZER_FILE), trained, _held_out(documents))
    return {
        **verified,
        "requested_vocab_size": config.vocab_size,
        "trained_on_bytes": texts.bytes,
        "trained_on_documents": texts.documents,
    }


def _bring(path: Path, job: Job) -> dict[str, Any]:
    """Write the tokenizer of another tool with its documents opened and ended as ours are, and return what it is.

    Documents are packed with the end of one before the next, so what a model sees at the beginning of a text is the end of a
    document, whatever the tokenizer's first user put there.
    """
    engine, names = read_tokenizer(path)
    engine.post_processor = processors.Sequence([])
    _write(job.out, engine, names.model_copy(update={"before": (names.eos,), "after": (), "start": None}))
    return {"source": tokenizer_files(path)[0].name, "kind": type(engine.model).__name__}


def _extend(config: TokenizerConfig, path: Path, job: Job) -> dict[str, Any]:
    """Write the tokenizer of `path` with new tokens from the training split, and return what it is."""
    documents = job.open("curate", Documents)
    texts = Sample(documents, config.sample_bytes, job.seed)
    engine, names = read_tokenizer(path)
    engine.post_processor = processors.Sequence([])
    names = names.model_copy(update={"before": (names.eos,), "after": (), "start": None})
    before = TextTokenizer(engine, names, str(path))
    extension = extend(engine, names, texts, config.new_tokens)
    if not extension.pieces:
        raise DataError(
            f"{documents.path}: {format_bytes(texts.bytes)} of training text hold no term that occurs twice and takes "
            "several tokens; add sources, or import the tokenizer as it is"
        )
    if len(extension.pieces) < config.new_tokens:
        say(f"  tokenizer: {len(extension.pieces):,} useful new tokens, tokenizer.new_tokens={config.new_tokens:,} were asked for")
    _write(job.out, extension.engine, names)
    after = TextTokenizer.from_file(job.out / TOKENIZER_FILE)
    rows = [{"id": number, "text": after.decode([number]), "pieces": pieces} for number, pieces in extension.pieces.items()]
    write_json(job.out / EXTENSION_FILE, {"old_vocab_size": before.vocab_size, "tokens": rows})
    verified = verify_extension(before, after, extension.pieces, _held_out(documents))
    facts = {"source": tokenizer_files(path)[0].name, "kind": type(engine.model).__name__, "old_vocab_size": before.vocab_size}
    return {**facts, **verified, "new_tokens": len(rows), "trained_on_bytes": texts.bytes, "trained_on_documents": texts.documents}


def _held_out_split(documents: Documents) -> Split:
    """Return the split that tokenizers are measured on: the training text if nothing is held out."""
    return "validation" if next(documents.read("validation"), None) else "train"


def _held_out(documents: Documents) -> Iterator[str]:
    return (document.text for document in documents.read(_held_out_split(documents)))


def _write(out: Path, engine: Any, special: SpecialNames) -> None:
    write_text(out / TOKENIZER_FILE, engine.to_str(pretty=True) + "\n")
    write_json(out / SPECIAL_TOKENS_FILE, special.model_dump(mode="json"))


def _measure(tokenizer: TextTokenizer, documents: Documents) -> dict[str, Any]:
    """Return how well the tokenizer fits the held-out text (the training text if nothing is held out).

    `fertility` is tokens a word, a word being what lies between white space; `unknown_rate` is the share of tokens that stand for
    text that the vocabulary cannot spell.
    """
    split = _held_out_split(documents)
    unknown = None if tokenizer.special.unk is None else tokenizer.id_of(tokenizer.special.unk)
    encoder = FastEncoder.of(tokenizer)
    num_bytes = num_tokens = num_words = num_unknown = 0
    reader = documents.read(split)
    while num_bytes < MEASURED_BYTES and (batch := [document.text for document in islice(reader, _BATCH)]):
        encoded = encoder.encode_batch(batch)
        num_bytes += sum(len(text.encode()) for text in batch)
        num_tokens += sum(map(len, encoded))
        num_words += sum(len(text.split()) for text in batch)
        num_unknown += sum(int((ids == unknown).sum()) for ids in encoded) if unknown is not None else 0
    return {
        "measured_on": split,
        "measured_on_bytes": num_bytes,
        "bytes_per_token": round(num_bytes / max(num_tokens, 1), 4),
        "fertility": round(num_tokens / max(num_words, 1), 4),
        "unknown_rate": round(num_unknown / max(num_tokens, 1), 6),
    }
