"""One request, bounded in time and size."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from groundup.curate.fetch.addresses import PublicConnection, PublicSecureConnection
from groundup.curate.fetch.config import FetchConfig
from groundup.curate.fetch.outcome import Answer, Refused

_CHUNK_BYTES = 64 << 10
_BUSY = frozenset({429, 503})
_DROPPED_HEADERS = frozenset({"transfer-encoding", "content-length", "set-cookie", "connection", "keep-alive"})


class _Deadline:
    """Ends a connection after a time, whatever it waits for: each wait has its own time-out, but a server may send by the byte."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, connection: http.client.HTTPConnection) -> None:
        self._socket = connection.sock
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.has_passed = True
        with contextlib.suppress(OSError):
            assert self._socket is not None
            self._socket.shutdown(socket.SHUT_RDWR)


class Client:
    """Asks servers for pages. No cookies, no scripts, no credentials."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config

    def get(self, url: str, max_bytes: int, content_types: tuple[str, ...] | None = None) -> Answer:
        """Return the answer, redirects not followed; raise Refused if it is beyond a bound or of another content type."""
        place = urlsplit(url)
        assert place.hostname is not None, url
        kind, default_port = (PublicSecureConnection, 443) if place.scheme == "https" else (PublicConnection, 80)
        connection = kind(place.hostname, place.port or default_port, self._config.timeout_s, self._config.allow_private)
        with contextlib.closing(connection), self._trouble(url) as deadline:
            connection.connect()
            deadline.watch(connection)
            path = (place.path or "/") + (f"?{place.query}" if place.query else "")
            connection.request("GET", path, headers={"User-Agent": self._config.user_agent, "Accept-Encoding": "gzip"})
            response = connection.getresponse()
            headers = tuple((name, value) for name, value in response.getheaders() if name.lower() not in _DROPPED_HEADERS)
            answer = Answer(url, response.status, headers, b"")
            if answer.status in _BUSY:
                wait_s = _retry_after_s(answer.header("retry-after"))
                raise Refused("status", f"{url}: status {answer.status}", may_retry=True, wait_s=wait_s)
            if answer.status != http.client.OK:
                return answer
            if content_types is not None and answer.content_type not in content_types:
                raise Refused("content_type", f"{url}: '{answer.content_type}' is none of {', '.join(content_types)}")
            return Answer(url, answer.status, headers, self._body(url, response, max_bytes))

    @contextlib.contextmanager
    def _trouble(self, url: str) -> Iterator[_Deadline]:
        """Turn what can go wrong on the way into Refused."""
        deadline = _Deadline(self._config.max_page_s)
        try:
            yield deadline
            if deadline.has_passed:
                raise self._too_slow(url)
        except Refused as refused:
            raise self._too_slow(url) if deadline.has_passed else refused from None
        except TimeoutError:
            raise Refused("timeout", f"{url}: no answer in time", may_retry=True) from None
        except ssl.SSLError as error:
            raise Refused("certificate", f"{url}: {error}") from None
        except (http.client.HTTPException, OSError, UnicodeError, ValueError) as error:
            if deadline.has_passed:
                raise self._too_slow(url) from None
            raise Refused("connection", f"{url}: {type(error).__name__} {error}", may_retry=True) from None
        finally:
            deadline.stop()

    def _too_slow(self, url: str) -> Refused:
        return Refused("too_slow", f"{url}: not whole after {self._config.max_page_s:g} s")

    def _body(self, url: str, response: http.client.HTTPResponse, max_bytes: int) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise Refused("too_large", f"{url}: more than {max_bytes:,} bytes")
        if response.length:
            raise Refused("cut_off", f"{url}: {response.length:,} bytes less than announced", may_retry=True)
        return bytes(body)


def _retry_after_s(text: str) -> float:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); 0 if it says nothing that can be read."""
    if text.isdecimal():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0
