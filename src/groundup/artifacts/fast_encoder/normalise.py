"""The change of text that a tokenizer makes before it cuts it."""

from collections.abc import Callable
from typing import Any

from tokenizers import normalizers

Normalise = Callable[[str], str]
_LEAVE_ASCII = (normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD)


def normaliser_of(engine: Any) -> Normalise | None:
    """Return what the engine does to a text first; None if nothing."""
    normalizer = engine.normalizer
    if normalizer is None:
        return None
    change: Normalise = normalizer.normalize_str
    if isinstance(normalizer, _LEAVE_ASCII):
        return lambda text: text if text.isascii() else change(text)
    return change
