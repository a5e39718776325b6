"""How much raw text the tokens of a plan ask for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.lazy import lazy
from groundup.estimate.budget.published import published
from groundup.estimate.raw_text import bytes_to_collect
from groundup.plan.budget.config import BudgetQuestion

if TYPE_CHECKING:
    from groundup.artifacts import documents, token_shards
else:
    documents, token_shards = lazy("groundup.artifacts.documents"), lazy("groundup.artifacts.token_shards")


@dataclass(frozen=True)
class RawYield:
    """What of raw text is left to train on."""

    share: float
    """Of the bytes."""
    share_range: tuple[float, float] | None
    """Of a share that is assumed."""
    bytes_per_token: float
    source: str

    def raw_bytes(self, tokens: float) -> float:
        return bytes_to_collect(tokens, self.share, self.bytes_per_token)

    def raw_bytes_range(self, tokens: float) -> tuple[float, float] | None:
        """Return the least and most of an assumed share."""
        if self.share_range is None:
            return None
        low, high = (bytes_to_collect(tokens, share, self.bytes_per_token) for share in reversed(self.share_range))
        return low, high


def raw_yield(question: BudgetQuestion) -> RawYield:
    """Return the yield that was measured or said, else the stated default.

    Raises ConfigError if a yield is both measured and said, or the folder kept nothing.
    """
    facts = published()["collecting"]
    size = question.bytes_per_token or facts["bytes_per_token"]
    if question.curation is not None:
        if question.raw_yield is not None:
            raise ConfigError(
                f"--curation {question.curation} measures the yield, --raw-yield {question.raw_yield:g} says it; keep one"
            )
        return _measured(question.curation, question.bytes_per_token, facts["bytes_per_token"])
    if question.raw_yield is not None:
        return RawYield(question.raw_yield, None, size, "as given")
    low, high = facts["share_range"]
    return RawYield(facts["share"], (low, high), size, facts["source"])


def _measured(folder: Path, said: float | None, default: float) -> RawYield:
    try:
        collected = token_shards.TokenShards.open(folder).info.collected
    except ArtifactError:
        share = float(documents.Documents.open(folder).funnel["yield"]["bytes"])
        if share <= 0:
            raise ConfigError(f"{folder}: kept nothing of its sources, so no yield follows; give --raw-yield") from None
        return RawYield(share, None, said or default, f"measured: funnel of {folder}")
    if collected is None:
        raise ConfigError(
            f"{folder}: its shards do not tell what they were made of; give the folder that curate made, or --raw-yield"
        )
    return RawYield(collected.share, None, said or collected.bytes_per_token, f"measured: {folder}")
