"""The archive that is written: gzip members of WARC records, and a journal that says what is whole."""

import gzip
import json
import os
import uuid
from collections import Counter
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from groundup.core.errors import ArtifactError
from groundup.core.files import append_text, storage_errors
from groundup.curate.fetch.outcome import Answer

JOURNAL = "fetched.journal"
"""Not .jsonl: curate reads the folder, and this is no text of it."""
SEGMENT_BYTES = 256 << 20
"""Of an archive file, about: the next record begins a new one."""


class Archive:
    """Pages on disk. A record counts once its journal line is written; what a kill left behind it is cut off on opening."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.num_bytes = 0
        """Of pages as sent."""
        self._ends: dict[str, int] = {}
        self._open()

    def save(self, url: str, answer: Answer) -> None:
        """Append the page and its journal line. The id hangs on the address alone: a page fetched again keeps it."""
        segment = self._segment()
        record = _record(url, answer, datetime.now(UTC))
        path = self.folder / segment
        with storage_errors(path), path.open("ab") as file:
            file.write(gzip.compress(record, mtime=0))
            file.flush()
            os.fsync(file.fileno())
            end = file.tell()
        self.note(url, "saved", final_url=answer.url, file=segment, end=end, body_bytes=len(answer.body))

    def note(self, url: str, outcome: str, why: str = "", **facts: Any) -> None:
        """Record what became of an address."""
        entry = {"url": url, "outcome": outcome, **({"why": why} if why else {}), **facts}
        append_text(self.folder / JOURNAL, json.dumps(entry, ensure_ascii=False) + "\n", sync=True)
        self._count(entry)

    def _count(self, entry: dict[str, Any]) -> None:
        self.done.add(entry["url"])
        self.outcomes[entry["outcome"]] += 1
        self.num_bytes += entry.get("body_bytes", 0)
        if "file" in entry:
            self._ends[entry["file"]] = entry["end"]

    def _segment(self) -> str:
        number = max(len(self._ends) - 1, 0)
        if self._ends.get(_segment_name(number), 0) >= SEGMENT_BYTES:
            number += 1
        return _segment_name(number)

    def _open(self) -> None:
        journal = self.folder / JOURNAL
        with storage_errors(journal):
            if journal.is_file():
                data = journal.read_bytes()
                whole = data[: data.rfind(b"\n") + 1]
                if len(whole) < len(data):
                    os.truncate(journal, len(whole))
                try:
                    for line in whole.splitlines():
                        self._count(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    raise ArtifactError(f"{journal}: damaged; fetch into another --out") from None
            for path in sorted(self.folder.glob("pages-*.warc.gz")):
                if path.stat().st_size > self._ends.get(path.name, 0):
                    os.truncate(path, self._ends.get(path.name, 0))
            short = [name for name, end in self._ends.items() if not self._has(name, end)]
        if short:
            raise ArtifactError(f"{self.folder / short[0]}: shorter than {JOURNAL} says; fetch into another --out")

    def _has(self, name: str, end: int) -> bool:
        path = self.folder / name
        return path.is_file() and path.stat().st_size == end


def _segment_name(number: int) -> str:
    return f"pages-{number:05d}.warc.gz"


def _record(url: str, answer: Answer, at: datetime) -> bytes:
    """Return a WARC 1.1 response record (ISO 28500:2017)."""
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {_line(value)}" for name, value in answer.headers)]
    lines.append(f"Content-Length: {len(answer.body)}")
    block = "\r\n".join(lines).encode("latin-1", errors="replace") + b"\r\n\r\n" + answer.body
    head = [
        "WARC/1.1",
        "WARC-Type: response",
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, url)}>",
        f"WARC-Target-URI: {answer.url}",
        f"WARC-Date: {at:%Y-%m-%dT%H:%M:%SZ}",
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def _line(value: str) -> str:
    return " ".join(value.splitlines())
