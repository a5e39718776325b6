"""Ways to take the main text out of a page, by name."""

from groundup.curate.config import Extraction
from groundup.curate.sources.extraction.base import Extractor
from groundup.curate.sources.extraction.main import Main
from groundup.curate.sources.extraction.precision import Precision

EXTRACTORS: dict[Extraction, type[Extractor]] = {"main": Main, "precision": Precision}
