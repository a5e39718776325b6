"""Train a tokenizer on the curated text."""

from itertools import islice
from typing import Any

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.documents import Documents, Split
from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE
from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer
from groundup.core.errors import DataError
from groundup.core.files import write_json, write_text
from groundup.core.log import say
from groundup.core.units import format_bytes
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.sample import Sample
from groundup.tokenizer.trainers import TRAINERS

FACTS_FILE = "facts.json"
MEASURED_BYTES = 20_000_000
_BATCH = 64


def run(config: TokenizerConfig, job: Job) -> Outcome:
    """Learn tokens from the training split and write tokenizer.json, special_tokens.json and facts.json.

    Raises DataError if there is no training text. Too little text for `vocab_size` gives a smaller vocabulary, and says so.
    """
    documents = job.open("curate", Documents)
    texts = Sample(documents, config.sample_bytes, job.seed)
    special = config.special_names
    engine = TRAINERS[config.algorithm](texts, config.vocab_size, special.distinct())
    if not texts.bytes:
        raise DataError(f"{documents.path}: no training text to learn a tokenizer from; add sources or loosen curate.rules")
    write_text(job.out / TOKENIZER_FILE, engine.to_str(pretty=True) + "\n")
    write_json(job.out / SPECIAL_TOKENS_FILE, special.model_dump(mode="json"))
    tokenizer = TextTokenizer.from_file(job.out / TOKENIZER_FILE)
    if tokenizer.vocab_size < config.vocab_size:
        say(
            f"  tokenizer: {format_bytes(texts.bytes)} of text hold only {tokenizer.vocab_size:,} useful tokens of the "
            f"{config.vocab_size:,} asked for (tokenizer.vocab_size)"
        )
    facts = {
        "algorithm": config.algorithm,
        "vocab_size": tokenizer.vocab_size,
        "requested_vocab_size": config.vocab_size,
        "trained_on_bytes": texts.bytes,
        "trained_on_documents": texts.documents,
        **_measure(tokenizer, documents),
    }
    write_json(job.out / FACTS_FILE, facts)
    return Outcome(counts={key: facts[key] for key in ("vocab_size", "trained_on_bytes", "bytes_per_token")})


def _measure(tokenizer: TextTokenizer, documents: Documents) -> dict[str, Any]:
    """Return how well the tokenizer fits the held-out text (the training text if nothing is held out).

    `fertility` is tokens a word, a word being what lies between white space; `unknown_rate` is the share of tokens that stand for
    text that the vocabulary cannot spell.
    """
    split: Split = "validation" if next(documents.read("validation"), None) else "train"
    unknown = None if tokenizer.special.unk is None else tokenizer.id_of(tokenizer.special.unk)
    num_bytes = num_tokens = num_words = num_unknown = 0
    reader = documents.read(split)
    while num_bytes < MEASURED_BYTES and (batch := [document.text for document in islice(reader, _BATCH)]):
        encoded = tokenizer.encode_batch(batch)
        num_bytes += sum(len(text.encode()) for text in batch)
        num_tokens += sum(map(len, encoded))
        num_words += sum(len(text.split()) for text in batch)
        num_unknown += sum(ids.count(unknown) for ids in encoded) if unknown is not None else 0
    return {
        "measured_on": split,
        "measured_on_bytes": num_bytes,
        "bytes_per_token": round(num_bytes / max(num_tokens, 1), 4),
        "fertility": round(num_tokens / max(num_words, 1), 4),
        "unknown_rate": round(num_unknown / max(num_tokens, 1), 6),
    }
