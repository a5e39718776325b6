"""Main text by trafilatura, set to precision: an optional dependency."""

from groundup.core.errors import MissingExtraError
from groundup.curate.sources.extraction.base import Extractor

_PAGES_PER_CACHE = 1000


class Precision(Extractor):
    """Barbaresi 2021; takes less of what is not text than 'main' does, and ten to twenty times the time."""

    def __init__(self) -> None:
        try:
            import trafilatura
            from trafilatura.meta import reset_caches
        except ImportError as error:
            raise MissingExtraError(
                f"extraction 'precision' needs trafilatura ({error}): pip install 'groundup[trafilatura]', or choose 'main'"
            ) from error
        self._extract, self._reset_caches = trafilatura.extract, reset_caches
        self._num_pages = 0

    def main_text(self, html: str) -> str:
        self._num_pages += 1
        if self._num_pages % _PAGES_PER_CACHE == 0:
            self._reset_caches()  # they grow with every page
        return self._extract(html, favor_precision=True, include_comments=False) or ""
