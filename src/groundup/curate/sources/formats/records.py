"""Records (of JSON Lines, tables, data sets) as documents."""

import json
from typing import Any

from groundup.artifacts.documents import Document
from groundup.core.config import nearest
from groundup.curate.drops import Drop
from groundup.curate.sources.base import Source, SourceFile
from groundup.curate.sources.parts import Damage

KEPT_FIELDS = ("id", "url", "language", "source")


_NAMES = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


class Places:
    """Where records of a file lie: `kind` is 'line' or 'row'."""

    def __init__(self, source: Source, file: SourceFile, kind: str) -> None:
        self._source_name, self._file, self._kind = source.config.name, file, kind
        self._meta = f'{{"file": {json.dumps(file.name, ensure_ascii=False)}, "{kind}": '

    def fallback_id(self, number: int) -> str:
        return f"{self._source_name}:{self._file.name}:{number}"

    def where(self, number: int) -> str:
        return f"{self._file.name}:{number}" if self._kind == "line" else f"{self._file.name}: {self._kind} {number}"

    def meta(self, number: int, own_source: str | None) -> str:
        """Return the place as a JSON object, with what the record itself calls its source."""
        if own_source is None:
            return f"{self._meta}{number}}}"
        return f'{self._meta}{number}, "source": {json.dumps(own_source, ensure_ascii=False)}}}'


def document_of(source: Source, record: dict[str, Any], places: Places, number: int) -> Document | Drop:
    """Return the record as a document. What the record itself calls its source goes into `meta`."""
    field = source.config.text_field
    text = record.get(field)
    own_id = record.get("id")
    document_id = _clean(str(own_id)) if isinstance(own_id, str | int) and str(own_id) else places.fallback_id(number)
    if not isinstance(text, str):
        found = f"'{field}' is {json_name(text)}" if field in record else f"no '{field}'; {nearest(field, list(record))}"
        why = f"{places.where(number)}: {found} (text_field of source '{source.config.name}')"
        return source.reject(document_id, "no_text", why)
    if not _is_unicode(text):
        return source.reject(document_id, "invalid_utf8", f"{places.where(number)}: the text holds half a surrogate pair")
    own_source = _optional(record.get("source")) if field != "source" else None
    url, language = _optional(record.get("url")), _optional(record.get("language"))
    return Document(document_id, text, source.config.name, url, language, places.meta(number, own_source))


def json_name(value: Any) -> str:
    """Return what kind of JSON value it is, in words."""
    return _NAMES.get(type(value), type(value).__name__)


def damaged(source: Source, places: Places, number: int, damage: Damage) -> Drop:
    """Return the drop that stands for the rest of a file, from record `number` on."""
    why = f"{places.where(number)}: {damage.why}; from here on the file is not read; fetch it again"
    return source.reject(places.fallback_id(number), damage.rule, why, damage.value, damage.threshold)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _optional(value: object) -> str | None:
    return _clean(value) if isinstance(value, str) else None
