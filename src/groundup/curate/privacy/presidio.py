"""Street addresses and names of persons, by Presidio. The one place that knows it; it never downloads anything."""

import importlib.util
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from groundup.core.errors import ConfigError
from groundup.core.files import hash_file, hash_json
from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.kind import Finder, Span, in_order

_PIECE_CHARS = 50_000
"""Pipelines keep vectors of all words of a text at once."""
_BORDER = re.compile(r"(?s).*[\n.!?]\s+|.*\s")
_PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*>")
_WORD = r"(?:[A-Z][\w'’.-]*|[0-9]{1,3}(?:st|nd|rd|th))"
_STREETS = {
    "English": rf"\b[0-9]{{1,5}}[A-Za-z]?(?:-[0-9]{{1,5}})?,? (?:[NSEW]\.? |North |South |East |West )?(?:{_WORD} ){{1,4}}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Way|Terrace|Parkway|Pkwy|Highway|"
    r"Hwy|Circle|Cir|Close|Crescent|Row|Gardens|Mews)\b\.?(?: [NSEW]\b\.?)?"
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|#)\.? ?[0-9A-Z]{1,5}\b)?",
    "German": r"\b[A-ZÄÖÜ][\wäöüß-]{1,40}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer) [0-9]{1,4}(?: ?[a-z]\b)?",
    "French": r"\b[0-9]{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|allée|impasse|quai) "
    r"(?:de la |de l['’]|des |du |de |d['’]|l['’])?[A-ZÀ-Ý][\w'’-]*(?:[ -](?:de |du |des )?[A-ZÀ-Ý][\w'’-]*){0,3}",
    "post box": r"\bP\.? ?O\.? Box [0-9]{1,6}\b",
}
"""Writing -> expression. Upper and lower case matter."""
_SCORE = 0.6
_LANGUAGE = "en"


class _ByPresidio(Finder):
    """Finds by recognizers of Presidio, in pieces of a text; what takes in a placeholder is no find."""

    def find(self, text: str) -> Iterator[Span]:
        spans = [(offset + start, offset + end) for offset, piece in _pieces(text) for start, end in self._find_in(piece)]
        there = [match.span() for match in _PLACEHOLDER.finditer(text)] if spans else []
        return in_order(span for span in spans if not any(span[0] < end and start < span[1] for start, end in there))

    @abstractmethod
    def _find_in(self, piece: str) -> Iterator[Span]: ...


class Streets(_ByPresidio):
    """Finds a house's number with a street's name and word for street, as in English, German and French, and post boxes."""

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        presidio = _presidio("street")
        patterns = [presidio.Pattern(name, expression, _SCORE) for name, expression in _STREETS.items()]
        self._recognizer = presidio.PatternRecognizer("STREET", patterns=patterns, global_regex_flags=re.MULTILINE)

    def _find_in(self, piece: str) -> Iterator[Span]:
        return ((found.start, found.end) for found in self._recognizer.analyze(piece, ["STREET"]))


class Persons(_ByPresidio):
    """Finds the names that the settings list, and what an installed spaCy pipeline takes for a person."""

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        presidio = _presidio("person")
        names = list(config.person_names)
        self._names = presidio.PatternRecognizer("PERSON", deny_list=names) if names else None
        self._pipeline = _Pipeline(config.person_pipeline) if config.person_pipeline is not None else None

    def _find_in(self, piece: str) -> Iterator[Span]:
        for recognizer in (self._names, self._pipeline):
            if recognizer is not None:
                yield from ((found.start, found.end) for found in recognizer.analyze(piece, ["PERSON"]))


class _Pipeline:
    """Presidio's reading of a spaCy pipeline's entities. Its own loading would download a pipeline that is missing."""

    def __init__(self, name: str) -> None:
        import spacy
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer

        _pipeline_folder(name)
        self._engine = SpacyNlpEngine(models=[{"lang_code": _LANGUAGE, "model_name": name}])
        self._engine.nlp = {_LANGUAGE: spacy.load(name)}  # type: ignore[assignment]
        self._recognizer = SpacyRecognizer(supported_language=_LANGUAGE)

    def analyze(self, text: str, entities: list[str]) -> Any:
        return self._recognizer.analyze(text, entities, self._engine.process_text(text, _LANGUAGE))


def pipeline_hash(name: str) -> str:
    """Return a hash over the files of an installed pipeline, or of the folder of one: what it finds hangs on all of them.

    Raises ConfigError if there is none of that name.
    """
    folder = _pipeline_folder(name)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return hash_json([(path.relative_to(folder).as_posix(), hash_file(path)) for path in files])


def _pipeline_folder(name: str) -> Path:
    """Return where the pipeline lies; a package is not imported for that."""
    if Path(name).is_dir():
        return Path(name)
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            f"curate.redact.person_pipeline='{name}' is neither an installed spaCy pipeline nor a folder of one; install it "
            f"(python -m spacy download {name}, with a network), or list names in curate.redact.person_names"
        )
    return Path(found.submodule_search_locations[0])


def check_installed(kinds: Iterable[str]) -> None:
    """Raise ConfigError if one of the kinds needs Presidio and it is not there."""
    for kind in ("street", "person"):
        if kind in kinds and importlib.util.find_spec("presidio_analyzer") is None:
            raise ConfigError(_missing(kind))


def _missing(kind: str) -> str:
    return f"curate.redact.kinds names '{kind}', which needs Presidio: pip install 'groundup[presidio]', or take '{kind}' out"


def _presidio(kind: str) -> Any:
    try:
        import presidio_analyzer
    except ImportError:
        raise ConfigError(_missing(kind)) from None
    return presidio_analyzer


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, piece) of at most 50,000 characters, cut after a sentence, else at a space, else anywhere."""
    start = 0
    while start < len(text):
        end = min(start + _PIECE_CHARS, len(text))
        border = _BORDER.match(text, start, end) if end < len(text) else None
        if border:
            end = border.end()
        yield start, text[start:end]
        start = end
