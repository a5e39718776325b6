"""Whether an imported model computes what it should."""

import importlib.util
from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError, VerificationError
from groundup.core.log import say
from groundup.hub.sources import Source
from groundup.nn.formats import FORMATS
from groundup.nn.formats.peer import our_results, their_results
from groundup.nn.transformer import Transformer

COMPARED_TOKENS: Final = 64
TEXT: Final = "Once upon a time, there was a model that read 1,234 books; some of them were good. " * 8


def check_results(source: Source, model: Transformer, tokenizer: TextTokenizer, tolerance: float) -> float | None:
    """Return the largest difference to `transformers` on a text and on random tokens, None where it cannot read the source.

    Raises ArtifactError if a result is not a finite number, VerificationError if the difference is more than `tolerance` of the
    largest result.
    """
    padding = next((family.padding for name, family in FORMATS.items() if name == source.name()), None)
    tokens = some_tokens(model, tokenizer, padding)
    ours = our_results(model, tokens)
    if not ours.isfinite().all():
        raise ArtifactError(f"{source.path}: the model's results are not finite numbers; its weights are damaged, fetch it again")
    if not source.has_peer() or importlib.util.find_spec("transformers") is None:
        why = (
            "holds a form that transformers is not asked for" if not source.has_peer() else "pip install 'groundup[hf]' to compare"
        )
        say(f"  {source.path}: every tensor used, results finite; not compared with another library ({why})", style="dim")
        return None
    theirs = their_results(source.path, model.config, tokens)
    difference, largest = float((theirs - ours).abs().max()), float(theirs.abs().max())
    if not difference <= tolerance * max(largest, 1.0):
        raise VerificationError(
            f"{source.path}: results in transformers differ by up to {difference:.2e}, more than tolerance={tolerance:.0e} of the "
            f"largest, {largest:.3g}; --no-verify imports the model all the same"
        )
    return difference


def some_tokens(model: Transformer, tokenizer: TextTokenizer, padding: int | None) -> Int[Tensor, "2 seq"]:
    """Return a row of text and one of random tokens, which reach the whole vocabulary; another stands for what would be padding."""
    ids = [*tokenizer.before_ids, *tokenizer.encode(TEXT)][: min(model.config.max_seq_len, COMPARED_TOKENS)]
    drawn = torch.randint(model.config.vocab_size, (len(ids),), generator=torch.Generator().manual_seed(0))
    tokens = torch.stack([torch.tensor(ids), drawn])
    return tokens if padding is None else tokens.where(tokens != padding, padding + 1)
