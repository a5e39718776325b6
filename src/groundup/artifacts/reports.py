"""Reports: what was measured of a model, and the exported folder."""

from dataclasses import dataclass
from typing import Any, ClassVar

from groundup.artifacts.artifact import Artifact
from groundup.core.files import read_object

EVALUATION_FILE = "evaluation.json"
EXPORT_FILE = "groundup_export.json"


@dataclass(frozen=True)
class Evaluation(Artifact):
    """The evaluate stage's artifact: evaluation.json."""

    kind: ClassVar[str] = "evaluation"

    @property
    def result(self) -> dict[str, Any]:
        """What was measured: always samples.

        Of decoders bits_per_byte, nll_per_token, perplexity, tokens, bytes, baselines {name: bits_per_byte}, by_source.
        Under another objective than causal, objective {name, targets, nll_per_target, accuracy, unigram}.
        """
        return read_object(self.path / EVALUATION_FILE)


@dataclass(frozen=True)
class Export(Artifact):
    """The export stage's artifact: a folder that other tools load."""

    kind: ClassVar[str] = "export"

    @property
    def result(self) -> dict[str, Any]:
        """format, verified, max_logit_difference."""
        return read_object(self.path / EXPORT_FILE)
