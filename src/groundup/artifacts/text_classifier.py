"""A classifier of documents: weights of hashed features, and what is known of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from groundup.artifacts.artifact import Artifact
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import read_object

CLASSIFIER_FILE = "classifier.json"
CLASSIFIER_WEIGHTS = "weights.safetensors"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TextClassifier(Artifact):
    """What `groundup curate train-classifier` makes: classifier.json and weights.safetensors."""

    kind: ClassVar[str] = "text-classifier"

    @property
    def facts(self) -> dict[str, Any]:
        """features, bias, calibration, threshold, quality, examples, telling; ArtifactError if another version wrote them."""
        found = read_object(self.path / CLASSIFIER_FILE)
        if found.get("version") != FORMAT_VERSION:
            raise ArtifactError(
                f"{self.path / CLASSIFIER_FILE}: classifier version {found.get('version')!r}, this groundup reads "
                f"{FORMAT_VERSION}; {REMAKE}"
            )
        return found

    @property
    def weights_file(self) -> Path:
        return self.path / CLASSIFIER_WEIGHTS
