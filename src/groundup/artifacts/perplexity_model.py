"""A small n-gram model of good text, by which documents are measured."""

from dataclasses import dataclass
from typing import Any, ClassVar

from groundup.artifacts.artifact import Artifact
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import read_object

FACTS_FILE, PIECES_FILE = "perplexity.json", "pieces.model"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class PerplexityModel(Artifact):
    """What `groundup curate train-perplexity` makes: perplexity.json, pieces.model, arrays of n-grams."""

    kind: ClassVar[str] = "perplexity-model"

    @property
    def facts(self) -> dict[str, Any]:
        """order, pieces, ngrams, discounts, tokens, reference, quantiles; ArtifactError if another version wrote them."""
        found = read_object(self.path / FACTS_FILE)
        if found.get("version") != FORMAT_VERSION:
            raise ArtifactError(
                f"{self.path / FACTS_FILE}: perplexity model version {found.get('version')!r}, this groundup reads "
                f"{FORMAT_VERSION}; {REMAKE}"
            )
        return found
