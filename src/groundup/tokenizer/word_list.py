"""The user's list of domain words."""

from pathlib import Path

from groundup.core.errors import ConfigError, DataError
from groundup.core.files import storage_errors


def read_words(path: Path | None, general: Path | None) -> list[str] | None:
    """Return the words of the file, one a line, each once; None if there is no file.

    Raises ConfigError if words are both listed and to be found against general text, DataError if the file holds none.
    """
    if path is None:
        return None
    if general is not None:
        raise ConfigError(f"--words {path} lists the domain words, so --general {general} has no effect; say one of them")
    with storage_errors(path):
        raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start:,}); convert it, e.g. with iconv -t UTF-8") from None
    words = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if not words:
        raise DataError(f"{path}: holds no word; write one a line, or leave --words out")
    return words
