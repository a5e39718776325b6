"""The proof of an export: `transformers` loads the folder back and computes the same."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import VerificationError
from groundup.nn.transformer import Inputs, Transformer

PAGE = (
    "Plain words, 1,234.5 numbers and CamelCase_with_under_scores.\n\n\tTabs,  two  spaces,   three; trailing space \r\n"
    "def f(x):\n    return x**2  # code\n\n\n"
    "Grüße, naïve café, Ελληνικά, русский, עברית, العربية, हिन्दी, ไทย, 中文字符, 日本語かな, 한국어, Tiếng Việt, ქართული.\n"
    "🙂 👩‍👩‍👧‍👦 🇪🇺 ✍🏽 e\u0301 vs é,\n"
    "\u00a0no-break, \u2003em space, \u200bzero width, \u3000ideographic, \ufeffmark, \U0001d11e clef.\n"
    "<|endoftext|> looks special <s> [INST] &amp; «quotes» “curly” … — ½ ² ﬁ\n   "
)
"""Mixed scripts, emoji and odd spaces, on which both tokenizers must agree."""


def load_transformers() -> Any:
    """Return the library, silent; raise VerificationError with the way out if it cannot be imported."""
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise VerificationError(
            f"the export is written but not verified: the library 'transformers' cannot be imported ({error}); "
            "pip install 'groundup[hf]' and run the same command again, or take export.verify=false (--no-verify)"
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def compare_tokens(folder: Path, ours: TextTokenizer, texts: Sequence[str]) -> None:
    """Raise VerificationError if AutoTokenizer gives any text other tokens than ours, or another end of document."""
    theirs = load_transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if theirs.eos_token_id != ours.eos_id:
        raise VerificationError(
            f"{folder}: AutoTokenizer ends documents with token {theirs.eos_token_id}, groundup with {ours.eos_id}"
        )
    for text in texts:
        wanted, given = ours.encode(text), theirs(text)["input_ids"]
        if wanted != given:
            at = next((i for i, (a, b) in enumerate(zip(wanted, given, strict=False)) if a != b), min(len(wanted), len(given)))
            raise VerificationError(
                f"{folder}: AutoTokenizer differs at token {at} of {text[:40]!r}: "
                f"{given[at : at + 5]}, groundup {wanted[at : at + 5]}"
            )


@torch.inference_mode()
def max_logit_difference(folder: Path, ours: Transformer, tokens: Int[Tensor, "batch seq"]) -> float:
    """Return the largest |logit difference| between the folder, loaded by `transformers` in float32, and our model on the CPU."""
    theirs = load_transformers().AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    difference: Float[Tensor, "batch seq vocab"] = theirs(tokens).logits - ours(Inputs(tokens))
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
