"""The proof of an export: `transformers` loads the folder back and computes the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import VerificationError
from groundup.export.folder import READERS
from groundup.nn.config import ShapeName
from groundup.nn.formats import peer
from groundup.nn.transformer import Transformer

PAGE = (
    "Plain words, 1,234.5 numbers and CamelCase_with_under_scores.\n\n\tTabs,  two  spaces,   three; trailing space \r\n"
    "def f(x):\n    return x**2  # code\n\n\n"
    "Grüße, naïve café, Ελληνικά, русский, עברית, العربية, हिन्दी, ไทย, 中文字符, 日本語かな, 한국어, Tiếng Việt, ქართული.\n"
    "🙂 👩‍👩‍👧‍👦 🇪🇺 ✍🏽 e\u0301 vs é,\n"
    "\u00a0no-break, \u2003em space, \u200bzero width, \u3000ideographic, \ufeffmark, \U0001d11e clef.\n"
    "<|endoftext|> looks special <s> [INST] &amp; «quotes» “curly” … — ½ ² ﬁ\n   "
)
"""Mixed scripts, emoji and odd spaces, on which both tokenizers must agree."""
ROLES = {"eos_token_id": "eos", "pad_token_id": "pad", "mask_token_id": "mask", "sep_token_id": "sep", "unk_token_id": "unk"}
"""Attribute of AutoTokenizer -> our name of the role."""


def load_transformers() -> Any:
    """Return the library, silent; raise VerificationError with the way out if it cannot be imported."""
    try:
        return peer.load_transformers()
    except ImportError as error:
        raise VerificationError(
            f"the export is written but not verified: the library 'transformers' cannot be imported ({error}); "
            "pip install 'groundup[hf]' and run the same command again, or take export.verify=false (--no-verify)"
        ) from error


def compare_tokens(folder: Path, ours: TextTokenizer, texts: Sequence[str], shape: ShapeName = "decoder") -> None:
    """Raise VerificationError if AutoTokenizer gives any text other tokens than ours, or a role another token."""
    theirs = load_transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for attribute, role in ROLES.items():
        name = getattr(ours.special, role)
        wanted, given = None if name is None else ours.id_of(name), getattr(theirs, attribute)
        if wanted != given:
            raise VerificationError(f"{folder}: AutoTokenizer has {attribute}={given}, groundup {wanted}")
    reads = shape in READERS
    plainly = {"add_special_tokens": False} | ({"split_special_tokens": True} if reads else {})
    for text in texts:
        _compare(folder, text, ours.encode(text), theirs(text, **plainly)["input_ids"])
        if reads:
            whole = [*ours.before_ids, *ours.encode(text), *ours.after_ids]
            _compare(folder, text, whole, theirs(text, split_special_tokens=True)["input_ids"])


def _compare(folder: Path, text: str, wanted: list[int], given: list[int]) -> None:
    if wanted != given:
        at = next((i for i, (a, b) in enumerate(zip(wanted, given, strict=False)) if a != b), min(len(wanted), len(given)))
        raise VerificationError(
            f"{folder}: AutoTokenizer differs at token {at} of {text[:40]!r}: {given[at : at + 5]}, groundup {wanted[at : at + 5]}"
        )


def max_logit_difference(folder: Path, ours: Transformer, tokens: Int[Tensor, "batch seq"]) -> float:
    """Return the largest |logit difference| between the folder, loaded by `transformers` in float32, and our model on the CPU.

    Of a model without a head the last vectors are compared.
    """
    load_transformers()
    difference = peer.their_results(folder, ours.config, tokens) - peer.our_results(ours, tokens)
    if not difference.isfinite().all():
        raise VerificationError(f"{folder}: the logits are not finite numbers; the checkpoint's weights are damaged")
    return float(difference.abs().max())


def check_tolerance(folder: Path, difference: float, tolerance: float) -> None:
    """Raise VerificationError if the difference is more than floating-point sums in another order make."""
    if difference > tolerance:
        raise VerificationError(
            f"{folder}: logits in transformers differ by up to {difference:.2e}, more than export.tolerance={tolerance:.0e}; "
            "the folder is left for inspection and is not a finished export"
        )
