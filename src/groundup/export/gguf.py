"""A GGUF file, proven by reading it back."""

from pathlib import Path
from typing import Any, Final, final

import torch

from groundup.artifacts.tokenizer import TextTokenizer, read_engine
from groundup.core.errors import VerificationError
from groundup.core.log import say
from groundup.export.target import Cargo, Target
from groundup.export.verify import PAGE, check_tolerance
from groundup.nn.config import ModelConfig
from groundup.nn.formats.peer import our_results
from groundup.nn.gguf.read import GgufFile, open_gguf, read_gguf
from groundup.nn.gguf.tokenizer import read_tokenizer, write_tokenizer
from groundup.nn.gguf.write import check_gguf, rounded_weights, write_gguf
from groundup.nn.load import model_of

GGUF_FILE: Final = "model.gguf"
NAME: Final = "groundup"


@final
class Gguf(Target):
    """One file with model and tokenizer, its numbers rounded to `export.gguf_type`."""

    def check(self, model: ModelConfig) -> None:
        check_gguf(model)

    def write(self, out: Path, cargo: Cargo) -> None:
        config = cargo.model.config
        metadata = write_tokenizer(cargo.tokenizer, read_engine(cargo.tokenizer_file), config.vocab_size)
        weights = cargo.model.state_dict()
        write_gguf(out / GGUF_FILE, config, weights, {"general.name": NAME, **metadata}, self.config.rounding)

    def prove(self, out: Path, cargo: Cargo) -> dict[str, Any]:
        file = open_gguf(out / GGUF_FILE)
        compare_tokens(file, cargo)
        config, rounding = cargo.model.config, self.config.rounding
        back = our_results(model_of(*read_gguf(file)), cargo.tokens)
        rounded = our_results(model_of(config, rounded_weights(config, cargo.model.state_dict(), rounding)), cargo.tokens)
        lost = float((back - our_results(cargo.model, cargo.tokens)).abs().max())
        difference = float((back - rounded).abs().max())
        if not torch.isfinite(back).all():
            raise VerificationError(f"{file.path}: the logits are not finite numbers; the checkpoint's weights are damaged")
        check_tolerance(file.path, difference, self.config.tolerance)
        say(f"  read back, same logits within {difference:.1e}; rounding to {rounding} changes them by up to {lost:.1e}")
        return {
            "verified": True,
            "max_logit_difference": difference,
            "max_rounding_difference": lost,
            "tolerance": self.config.tolerance,
            "tokens_compared": cargo.tokens.numel(),
        }


def compare_tokens(file: GgufFile, cargo: Cargo) -> None:
    """Raise VerificationError if the file's tokenizer, read back, is not ours."""
    engine, special = read_tokenizer(file.metadata, str(file.path))
    ours, theirs = cargo.tokenizer, TextTokenizer(engine, special, str(file.path))
    if (theirs.eos_id, theirs.before_ids) != (ours.eos_id, ours.before_ids):
        raise VerificationError(f"{file.path}: texts end with {theirs.eos_id} and open with {theirs.before_ids}, not as groundup's")
    for text in (PAGE, cargo.text):
        if theirs.encode(text) != ours.encode(text):
            raise VerificationError(f"{file.path}: its tokenizer, read back, gives other tokens for {text[:40]!r}")
