"""One form for texts that look the same."""

import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_TRAILING_SPACES = re.compile(r"(?<![ \t])[ \t]+$", re.MULTILINE)  # tried once a run of spaces: linear in its length
_BLANK_LINES = re.compile(r"\n{3,}")


def normalise(text: str) -> str:
    """Return `text` in Unicode NFC with plain line ends and no invisible differences.

    Carriage returns become line feeds; control characters but tab and line feed, byte order marks, spaces and
    tabs at line ends, blank lines at both ends and all but one of consecutive blank lines are taken out.
    Applying it twice changes nothing.
    """
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    text = _TRAILING_SPACES.sub("", text)
    return _BLANK_LINES.sub("\n\n", text).strip("\n")
