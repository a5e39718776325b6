"""The proof that a trained tokenizer, as saved, cuts text as its training library and its fast encoder do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import VerificationError
from groundup.tokenizer.preparation import blocks
from groundup.tokenizer.trained import Trained

VERIFIED_BYTES: Final = 1_000_000
PROBE: Final = (
    "Don't I'LL we've; 1,234.5 = x**2\n\n\tdef f(x):\r\n    return '\u017fo'  # naïve café e\u0301\n"
    "Ελληνικά, русский, עברית, العربية, हिन्दी, ไทย, 中文字符, 日本語かな, 한국어, Tiếng Việt"
    " 🙂 👩‍👩‍👧 \u00a0\u3000½ﬁⅧ <|endoftext|>  \n"
)
"""Mixed scripts, whatever the held-out text is."""


def verify(tokenizer: TextTokenizer, trained: Trained, texts: Iterable[str]) -> dict[str, Any]:
    """Return over how many bytes of `texts` three libraries gave the same ids; raise VerificationError where they do not."""
    fast = FastEncoder.of(tokenizer)
    num_bytes = 0
    for text in (PROBE, *_some(texts)):
        ids = tokenizer.encode(text)
        if not trained.agrees(text, ids):
            raise VerificationError(f"the saved tokenizer and its training library give other tokens for {text[:60]!r}; report it")
        if fast.encode(text).tolist() != ids:
            raise VerificationError(
                f"the saved tokenizer and its {fast.name} encoder give other tokens for {text[:60]!r}; report it"
            )
        num_bytes += len(text.encode())
    return {"verified_on_bytes": num_bytes, "encoded_by": fast.name}


def verify_extension(
    before: TextTokenizer, after: TextTokenizer, pieces: Mapping[int, Sequence[int]], texts: Iterable[str]
) -> dict[str, Any]:
    """Return over how many bytes of `texts` only new tokens differ from before; raise VerificationError where others do.

    BPE: with each new token written in old ones, every text has the tokens of before. Others: a text without a new token has.
    """
    moved = [name for name, number in before.engine.get_vocab().items() if after.engine.token_to_id(name) != number]
    if moved:
        raise VerificationError(f"the extended tokenizer gives {len(moved)} old tokens other ids ({moved[0]!r}); report it")
    fast, is_bpe = FastEncoder.of(after), type(after.engine.model).__name__ == "BPE"
    num_bytes = 0
    for text in (PROBE, *_some(texts)):
        ids = after.encode(text)
        if fast.encode(text).tolist() != ids:
            raise VerificationError(
                f"the saved tokenizer and its {fast.name} encoder give other tokens for {text[:60]!r}; report it"
            )
        if is_bpe or not any(token in pieces for token in ids):
            spelled = [old for token in ids for old in pieces.get(token, (token,))]
            if spelled != before.encode(text):
                raise VerificationError(f"the extended tokenizer cuts text without new terms otherwise: {text[:60]!r}; report it")
        num_bytes += len(text.encode())
    return {"verified_on_bytes": num_bytes, "encoded_by": fast.name}


def _some(texts: Iterable[str]) -> Iterable[str]:
    """Yield the texts in blocks, up to VERIFIED_BYTES."""
    left_bytes = VERIFIED_BYTES
    for text in texts:
        for block in blocks(text):
            yield block
            left_bytes -= len(block.encode())
            if left_bytes <= 0:
                return
