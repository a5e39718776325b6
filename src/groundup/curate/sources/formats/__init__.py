"""The formats of files with text, by name."""

from groundup.curate.config import FileFormat
from groundup.curate.sources.formats.arrow import Arrow
from groundup.curate.sources.formats.base import Format
from groundup.curate.sources.formats.delimited import Csv, Tsv
from groundup.curate.sources.formats.html import Html
from groundup.curate.sources.formats.jsonl import JsonLines
from groundup.curate.sources.formats.parquet import Parquet
from groundup.curate.sources.formats.warc import Warc
from groundup.curate.sources.formats.whole import Markdown, Text

FORMATS: dict[FileFormat, type[Format]] = {
    "text": Text,
    "markdown": Markdown,
    "jsonl": JsonLines,
    "parquet": Parquet,
    "arrow": Arrow,
    "csv": Csv,
    "tsv": Tsv,
    "html": Html,
    "warc": Warc,
}
