"""Tokenizers and models at hand, measured on a sample of the user's text."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundup import orders
from groundup.artifacts.checkpoint import Checkpoint, find_checkpoint
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.choosing.sample import Sample
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.log import say
from groundup.core.progress import progress
from groundup.estimate.parameters import total_parameters
from groundup.evaluate.bits_per_byte import score_tokens
from groundup.evaluate.config import EvaluateConfig, resolve_stride
from groundup.evaluate.gain import mixture_gain
from groundup.evaluate.ngrams import Bigram, Probs
from groundup.nn.device import resolve_device
from groundup.nn.formats.folder import CONFIG_FILE
from groundup.nn.load import load_config, load_model
from groundup.nn.threads import threads_of
from groundup.plan.candidates import CandidateFacts, TextFacts, TokenizerFacts
from groundup.tokenizer.bpe import train_bpe
from groundup.tokenizer.compare import Fit, compare

OWN = "trained on the text"
VOCABULARY = 16_000
"""Of the tokenizer that is trained on the text, at most; a text that runs out of pairs gives a smaller one."""
Ids = npt.NDArray[np.int64]


def own_tokenizer(sample: Sample, vocab_size: int = VOCABULARY) -> TextTokenizer:
    """Return a byte-level BPE tokenizer of the text that is not held out."""
    return TextTokenizer(train_bpe(sample.learned, vocab_size).engine, SpecialNames(), OWN)


def compare_tokenizers(sample: Sample, own: TextTokenizer, others: dict[str, TextTokenizer]) -> tuple[TokenizerFacts, ...]:
    """Return each tokenizer on the held-out text, that of the text first."""
    fits = compare({OWN: own, **others}, sample.held_out, (), sample.held_out_bytes).fits
    return tuple(_facts(fit, fits[0]) for fit in fits)


def _facts(fit: Fit, own: Fit) -> TokenizerFacts:
    ratio = own.bytes_per_token / fit.bytes_per_token
    return TokenizerFacts(fit.name, fit.vocab_size, fit.fertility, fit.bytes_per_token, fit.unknown_rate, ratio)


def describe_text(sample: Sample, own: TextTokenizer, facts: TokenizerFacts) -> TextFacts:
    """Return what is known of the text: its size in tokens, and how well counted word pairs of it foretell it."""
    bits = -np.log2(_bigram_probs(sample, own)).sum()
    size = sample.held_out_bytes
    return TextFacts(sample.total_bytes, size, facts.bytes_per_token, own.vocab_size, float(bits) / size)


def open_candidate(path: Path, scratch: Path) -> Checkpoint:
    """Return a checkpoint of groundup's, or one made in `scratch` of a Hugging Face folder or a GGUF file, unverified.

    Raises ConfigError for what is neither.
    """
    try:
        return find_checkpoint(path)
    except ArtifactError:
        if not (path / CONFIG_FILE).is_file() and path.suffix != ".gguf":
            raise ConfigError(
                f"--candidate {path}: no checkpoint, Hugging Face folder or GGUF file; others come in by 'groundup hub import'"
            ) from None
    out = scratch / path.name
    orders.carry_out(orders.order_import(path, None, out, verify=False), force=False)
    return Checkpoint.open(out)


def measure_candidates(
    sample: Sample, own: TextTokenizer, paths: Sequence[Path], tokenizers: dict[str, TextTokenizer], device: str
) -> tuple[tuple[TokenizerFacts, ...], tuple[CandidateFacts, ...]]:
    """Return all tokenizers, those of the candidates among them, and the candidates, on the held-out text."""
    with tempfile.TemporaryDirectory(prefix="groundup-choose-") as scratch:
        found = {orders.short_name(path, paths): open_candidate(path, Path(scratch) / str(n)) for n, path in enumerate(paths)}
        theirs = {name: TextTokenizer.from_file(checkpoint.tokenizer_file) for name, checkpoint in found.items()}
        facts = compare_tokenizers(sample, own, {**theirs, **tokenizers})
        by_name = {fact.name: fact for fact in facts}
        measured = tuple(
            _measure(name, checkpoint, theirs[name], by_name[name], sample, device) for name, checkpoint in found.items()
        )
    return facts, measured


def _measure(
    name: str, checkpoint: Checkpoint, tokenizer: TextTokenizer, facts: TokenizerFacts, sample: Sample, device: str
) -> CandidateFacts:
    config = load_config(checkpoint)
    params = total_parameters(config)
    if config.shape != "decoder":
        why = f"a {config.shape} does not say how probable a text is; compare it on tasks, with 'groundup evaluate --tasks'"
        return CandidateFacts(name, params, facts, None, why_not=why)
    settings = EvaluateConfig()
    stride = resolve_stride(settings.stride, config.max_seq_len)
    tokens = _ends(FastEncoder.of(tokenizer).encode_batch(sample.held_out), tokenizer)
    with threads_of(checkpoint), progress(f"choose {name}", sum(map(len, tokens))) as bar:
        model = load_model(checkpoint, resolve_device(device))
        nats = score_tokens(model, tokens, tokenizer.opening_id, stride, settings.batch, bar.advance)
    bits_per_byte = float(nats.sum()) / np.log(2) / sample.held_out_bytes
    gain = mixture_gain(np.exp(-nats), _bigram_probs(sample, tokenizer))
    say(f"  {name}: {bits_per_byte:.3f} bits a byte, word pairs of the text save {gain.saved:.1%}")
    return CandidateFacts(name, params, facts, float(bits_per_byte), gain.saved)


def _bigram_probs(sample: Sample, tokenizer: TextTokenizer) -> Probs:
    """Return what word pairs counted in the text say of each held-out token, ends of documents included."""
    encoder = FastEncoder.of(tokenizer)
    model = Bigram.of(_led(encoder, sample.learned, tokenizer), tokenizer.vocab_size)
    held_out = [ids.astype(np.int64) for ids in _ends(encoder.encode_batch(sample.held_out), tokenizer)]
    contexts = [np.concatenate([[tokenizer.eos_id], ids[:-1]]) for ids in held_out]
    return model.prob(np.concatenate(contexts), np.concatenate(held_out))


def _led(encoder: FastEncoder, texts: list[str], tokenizer: TextTokenizer) -> Iterator[Ids]:
    """Yield the tokens of some texts at a time, each text between ends of documents."""
    for first in range(0, len(texts), 256):
        ids = _ends(encoder.encode_batch(texts[first : first + 256]), tokenizer)
        yield np.concatenate([[tokenizer.eos_id], *ids]).astype(np.int64)


def _ends(encoded: Sequence[npt.NDArray[np.unsignedinteger]], tokenizer: TextTokenizer) -> list[npt.NDArray[np.unsignedinteger]]:
    """Return each text's tokens with the end of a document after them."""
    return [np.append(ids, tokenizer.eos_id).astype(np.uint32) for ids in encoded]
