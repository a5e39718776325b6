"""A checkpoint scored on text files."""

from pathlib import Path
from typing import Any

import numpy as np

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.evaluate.bits_per_byte import Score, score_documents
from groundup.evaluate.config import EvaluateConfig
from groundup.nn.device import resolve_device
from groundup.nn.load import load_model
from groundup.nn.threads import threads_of

TEXT_ENDINGS = (".txt", ".md")


def evaluate_text(checkpoint: Checkpoint, path: Path, device: str, config: EvaluateConfig) -> dict[str, Any]:
    """Return bits_per_byte, nll_per_token, perplexity, tokens, bytes, documents of all text in `path`, a file a document.

    The text is scored as it is, all of it. Raises DataError if there is none, or it is not UTF-8.
    """
    texts = read_texts(path)
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, resolve_device(device))
    documents = [np.array([*ids, tokenizer.eos_id], np.uint32) for ids in tokenizer.encode_batch(texts)]
    with threads_of(checkpoint):
        nats = score_documents(model, documents, tokenizer.eos_id, config.stride, config.batch)
    num_bytes = sum(len(text.encode()) for text in texts)
    return Score(float(nats.sum()), sum(map(len, documents)), num_bytes, len(documents)).summary()


def read_texts(path: Path) -> list[str]:
    """Return the text of the file, or of every .txt and .md file in the folder and those under it, in order of name."""
    if path.is_dir():
        with storage_errors(path):
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in TEXT_ENDINGS and file.is_file())
        if not files:
            raise DataError(f"{path}: holds no {' or '.join(TEXT_ENDINGS)} file; give a file or a folder of text")
    elif path.is_file():
        files = [path]
    else:
        raise DataError(f"{path}: no such file or folder; --text names the text to score")
    texts = [text for text in map(_read_text, files) if text]
    if not texts:
        raise DataError(f"{path}: is empty; give some text to score")
    return texts


def _read_text(file: Path) -> str:
    with storage_errors(file):
        raw = file.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 (byte {raw[error.start]:#04x} at position {error.start:,}); convert it, e.g. with iconv -t UTF-8"
        ) from None
    if "\0" in text:
        raise DataError(f"{file}: holds a zero byte at position {raw.index(0):,}, so it is not text; give plain text")
    return text
