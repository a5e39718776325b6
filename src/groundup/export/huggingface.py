"""A Hugging Face folder, proven by `transformers`."""

from pathlib import Path
from typing import Any, final

from groundup.core.log import say
from groundup.export import verify
from groundup.export.folder import write_folder
from groundup.export.target import Cargo, Target
from groundup.nn.config import ModelConfig
from groundup.nn.formats import format_for


@final
class HuggingFace(Target):
    """The layout of `export.family`, or of the first family that can hold the model."""

    def check(self, model: ModelConfig) -> None:
        format_for(model, self.config.family)

    def write(self, out: Path, cargo: Cargo) -> None:
        write_folder(out, format_for(cargo.model.config, self.config.family), cargo)

    def prove(self, out: Path, cargo: Cargo) -> dict[str, Any]:
        verify.compare_tokens(out, cargo.tokenizer, [verify.PAGE, cargo.text], cargo.model.config.shape)
        difference = verify.max_logit_difference(out, cargo.model, cargo.tokens)
        verify.check_tolerance(out, difference, self.config.tolerance)
        library = str(verify.load_transformers().__version__)
        say(f"  same logits in transformers {library} within {difference:.1e}")
        return {
            "verified": True,
            "max_logit_difference": difference,
            "tolerance": self.config.tolerance,
            "tokens_compared": cargo.tokens.numel(),
            "transformers_version": library,
        }
