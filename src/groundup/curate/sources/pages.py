"""Web pages as documents: bytes decoded, bounded, reduced to their main text."""

import codecs

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source
from groundup.curate.sources.extraction import EXTRACTORS
from groundup.curate.sources.extraction.base import Extractor
from groundup.curate.sources.extraction.bounds import MAX_HTML_BYTES, excess

MAX_REPLACED = 0.001
"""Share of characters that may be wrong in a page's encoding: browsers show such pages, and one wrong byte is common."""


class Pages:
    """Reads pages on behalf of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._extractor: Extractor | None = None

    def main_text(self, document_id: str, data: bytes, where: str, charset: str | None = None) -> str | Drop:
        """Return the main text of a page, or why there is none. `charset` is what the server called it."""
        if len(data) > MAX_HTML_BYTES:
            why = f"{where}: a page of {len(data):,} bytes, at most {MAX_HTML_BYTES:,} are read"
            return self._source.reject(document_id, "html_too_large", why, float(len(data)), float(MAX_HTML_BYTES))
        html = self._decoded(document_id, data, where, charset)
        if isinstance(html, Drop):
            return html
        beyond = excess(html)
        if beyond:
            why = f"{where}: {beyond.value:,} {beyond.what}, at most {beyond.threshold:,} are read"
            return self._source.reject(document_id, beyond.rule, why, beyond.value, beyond.threshold)
        if self._extractor is None:
            self._extractor = EXTRACTORS[self._source.config.extraction]()
        text = self._extractor.main_text(html).replace("\0", "")
        if not text.strip():
            return self._source.reject(document_id, "no_main_text", f"{where}: no main text found in {len(data):,} bytes of HTML")
        return text

    def _decoded(self, document_id: str, data: bytes, where: str, charset: str | None) -> str | Drop:
        """Return the page as text: UTF-8 if it is that, otherwise as the server or the page says, otherwise by its bytes."""
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        encoding = charset and map_encoding_to_html5(charset)
        encoding = encoding or detect_encoding(data, from_html_meta=True) or "utf-8"
        try:
            codecs.lookup(encoding)
            text = data.decode(encoding, errors="replace")
        except (LookupError, UnicodeError):
            text = data.decode("utf-8", errors="replace")
        text = text.encode("utf-8", errors="replace").decode()
        replaced = text.count("\ufffd") / max(len(text), 1)
        if replaced > MAX_REPLACED:
            why = f"{where}: {replaced:.1%} of the characters are wrong in {encoding}"
            return self._source.reject(document_id, "invalid_encoding", why, replaced, MAX_REPLACED)
        return text
