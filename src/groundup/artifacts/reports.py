"""Reports: what was measured of a model, and the exported folder."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from groundup.artifacts.artifact import Artifact

EVALUATION_FILE = "evaluation.json"
EXPORT_FILE = "groundup_export.json"


@dataclass(frozen=True)
class Evaluation(Artifact):
    """The evaluate stage's artifact: evaluation.json."""

    kind: ClassVar[str] = "evaluation"

    @property
    def result(self) -> dict[str, Any]:
        """bits_per_byte, nll_per_token, perplexity, tokens, bytes, baselines {name: bits_per_byte}, by_source, samples."""
        result: dict[str, Any] = json.loads((self.path / EVALUATION_FILE).read_text())
        return result


@dataclass(frozen=True)
class Export(Artifact):
    """The export stage's artifact: a folder that other tools load."""

    kind: ClassVar[str] = "export"

    @property
    def result(self) -> dict[str, Any]:
        """format, verified, max_logit_difference."""
        result: dict[str, Any] = json.loads((self.path / EXPORT_FILE).read_text())
        return result
