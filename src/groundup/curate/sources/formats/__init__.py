"""The formats of files with text, by name."""

from groundup.curate.config import FileFormat
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.jsonl import JsonLines
from groundup.curate.sources.formats.parquet import Parquet
from groundup.curate.sources.formats.whole import Markdown, Text

FORMATS: dict[FileFormat, type[Format]] = {"text": Text, "markdown": Markdown, "jsonl": JsonLines, "parquet": Parquet}
