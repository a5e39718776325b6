"""xz as a baseline: what a compressor without a model of language makes of the same bytes."""

import lzma
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from groundup.core.progress import progress

WINDOW_BYTES = 128 << 20
"""How far back xz may look; of more training text only this much at its end can help."""
_MIN_WINDOW_BYTES = 4096
_CHUNK_BYTES = 1 << 18
SEPARATOR = b"\n"


def join_documents(texts: Iterable[bytes]) -> bytes:
    """Return the documents, each followed by a newline: as the model, xz has to say where a document ends."""
    return b"".join(text + SEPARATOR for text in texts)


def last_bytes(texts: Iterable[bytes], window: int = WINDOW_BYTES) -> bytes:
    """Return the last `window` bytes of the joined documents, holding little more than twice that at a time."""
    tail = bytearray()
    for text in texts:
        tail += text + SEPARATOR
        if len(tail) > 2 * window:
            del tail[:-window]
    return bytes(tail[-window:])


def xz_bytes(data: bytes, advance: Callable[[int], None] = lambda _: None) -> int:
    """Return the size of `data` as an .xz file made with preset 9e.

    The window is the next power of two that holds the data, WINDOW_BYTES at most: a larger one finds nothing more and takes
    about 11 times its size in memory.
    """
    window = min(WINDOW_BYTES, max(_MIN_WINDOW_BYTES, 1 << (len(data) - 1).bit_length() if data else 0))
    lzma2 = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=[lzma2])
    size = 0
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        size += len(compressor.compress(chunk))
        advance(len(chunk))
    return size + len(compressor.flush())


def xz_bytes_given(known: bytes, data: bytes) -> int:
    """Return how many bytes `data` adds to the .xz file of `known`: xz having read `known` first. Uses two threads."""
    jobs = (known, known + data)
    lock, stop = threading.Lock(), threading.Event()
    with progress("xz", sum(map(len, jobs))) as bar, ThreadPoolExecutor(len(jobs)) as threads:

        def advance(amount: int) -> None:
            if stop.is_set():
                raise InterruptedError
            with lock:
                bar.advance(amount)

        try:
            without, both = threads.map(lambda job: xz_bytes(job, advance), jobs)
        finally:
            stop.set()
    return both - without
