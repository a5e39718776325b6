"""What a curation tells of itself, as the page shows it."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from groundup.artifacts.documents import DATA_CARD, DATA_CARD_TEXT
from groundup.core.files import storage_errors
from groundup.report.facts import Facts
from groundup.report.reading import read_facts

LEDGER, HISTOGRAMS, CLUSTERS, GROUPS = "ledger.json", "histograms.json", "clusters.json", "groups.json"


class RuleFacts(Facts):
    """A rule, and what it asks."""

    stage: str
    rule: str
    description: str
    bound: str | None = None
    threshold: float | None = None

    @property
    def words(self) -> str:
        """What is measured, and what is kept."""
        if self.bound is None or self.threshold is None:
            return self.description
        return f"{self.description}; kept if {self.bound.replace('_', ' ')} {self.threshold:,g}"


class Example(Facts):
    """One document that a rule dropped."""

    id: str
    source: str
    value: float
    threshold: float
    twin_id: str | None = None
    excerpt: str


class DropFacts(RuleFacts):
    """What one rule dropped."""

    documents: int
    bytes: int
    of: int
    """Documents that came to its stage."""
    by_source: dict[str, int]
    examples: tuple[Example, ...]


class EditFacts(RuleFacts):
    """What one rule about lines, or kind of repeated passages, took out."""

    documents: int
    count: int
    bytes: int


class Ledger(Facts):
    """curate/ledger.json."""

    drops: tuple[DropFacts, ...]
    edits: tuple[EditFacts, ...]


class Histogram(RuleFacts):
    """How the values of one rule lie; a bin holds its lower edge, the last is open above."""

    of: str
    marks: tuple[float, ...] = ()
    """Values that divide the documents and drop none."""
    edges: tuple[float, ...] = Field(min_length=1)
    counts: tuple[int, ...] = Field(min_length=1)


class Histograms(Facts):
    """curate/histograms.json."""

    histograms: tuple[Histogram, ...]


class Member(Facts):
    """One document of a cluster; those that stay have no twin."""

    id: str
    source: str
    twin_id: str | None
    similarity: float | None
    excerpt: str


class Cluster(Facts):
    """A few documents of one cluster of near-duplicates."""

    cluster_id: str
    size: int
    chosen: str
    documents: tuple[Member, ...]


class Clusters(Facts):
    """curate/clusters.json."""

    clusters: int
    documents: int
    dropped: int
    sizes: dict[str, int]
    shown: tuple[Cluster, ...]


class Amount(Facts):
    """Documents and bytes."""

    documents: int
    bytes: int


class CardSource(Facts):
    """One source on the data card."""

    name: str
    licence: str | None
    section_chars: int | None = None
    """Longer documents were cut into sections; absent from cards of earlier versions."""
    collected_documents: int
    collected_bytes: int
    documents: int
    bytes: int
    share: float
    validation_documents: int
    validation_bytes: int


class Removed(Facts):
    """What one stage took out."""

    stage: str
    why: str


class Finds(Facts):
    """Places and documents with one kind of personal data."""

    places: int
    documents: int


class Redactions(Facts):
    """What was looked for, and what was found."""

    kinds: tuple[str, ...]
    found: dict[str, Finds]


class Alarm(Facts):
    """What looks wrong."""

    message: str


class DataCard(Facts):
    """curate/data_card.json."""

    collected: Amount
    denominator: str
    training: Amount
    validation: Amount
    sources: tuple[CardSource, ...]
    removed: tuple[Removed, ...]
    redactions: Redactions
    alarms: tuple[Alarm, ...]

    @property
    def why(self) -> dict[str, str]:
        """Stage -> why it takes documents out."""
        return {stage.stage: stage.why for stage in self.removed}


class Difference(Facts):
    """Of two shares, with the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


class GroupStage(Facts):
    """What a stage did with the documents that name a group, and with the others."""

    stage: str
    came: int
    dropped: int
    others_came: int
    others_dropped: int
    share: float
    share_of_all: float
    difference: Difference | None

    @property
    def value(self) -> float:
        return self.difference.value if self.difference is not None else 0.0


class GroupFacts(Facts):
    """The documents that name one group."""

    group: str
    documents_before: int
    documents_after: int
    whole: GroupStage
    stages: tuple[GroupStage, ...]


class Groups(Facts):
    """curate/groups.json."""

    groups: tuple[GroupFacts, ...]


@dataclass(frozen=True)
class Curation:
    """All of it."""

    ledger: Ledger
    histograms: tuple[Histogram, ...]
    clusters: Clusters
    card: DataCard
    card_text: str
    groups: tuple[GroupFacts, ...] = ()
    """Nothing where they were not counted."""


def read_curation(folder: Path) -> Curation | None:
    """Return what the curation in the folder wrote of itself; None for one that wrote nothing of it."""
    if not (folder / LEDGER).is_file():
        return None
    with storage_errors(folder / DATA_CARD_TEXT):
        text = (folder / DATA_CARD_TEXT).read_text(encoding="utf-8")
    return Curation(
        ledger=read_facts(folder / LEDGER, Ledger),
        histograms=read_facts(folder / HISTOGRAMS, Histograms).histograms,
        clusters=read_facts(folder / CLUSTERS, Clusters),
        card=read_facts(folder / DATA_CARD, DataCard),
        card_text=text,
        groups=read_facts(folder / GROUPS, Groups).groups if (folder / GROUPS).is_file() else (),
    )
