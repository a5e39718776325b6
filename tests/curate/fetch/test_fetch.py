"""The fetcher against a server of this process: rules of hosts, bounds, resuming, what the archive holds."""

import gzip
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

import archives
from groundup.cli import app
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.curate.config import SourceConfig
from groundup.curate.fetch.archive import JOURNAL, Archive
from groundup.curate.fetch.clock import Clock
from groundup.curate.fetch.config import FetchConfig
from groundup.curate.fetch.run import fetch, plan
from groundup.curate.sources.files import Files

Reply = tuple[int, dict[str, str], bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}


class Site:
    """A server whose pages are set by the test, and the requests that it got."""

    def __init__(self) -> None:
        self.pages: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[str] = []
        self.agents: set[str] = set()
        self.delay_s = 0.0
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                site.agents.add(self.headers["User-Agent"])
                time.sleep(site.delay_s)
                page = site.pages.get(self.path, (404, {}, b"no such page"))
                if callable(page):
                    page(self)
                    return
                status, headers, body = page
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # the fetcher hangs up on purpose

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def page(self, path: str, text: str = "words", **headers: str) -> str:
        self.pages[path] = (
            200,
            {**HTML, **{name.replace("_", "-"): value for name, value in headers.items()}},
            archives.page(text),
        )
        return self.url + path

    def count(self, path: str) -> int:
        return self.requests.count(path)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


class FakeClock(Clock):
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.slept: list[float] = []

    def now_s(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at_s += seconds


def config(**settings) -> FetchConfig:
    return FetchConfig(**{"contact": "someone@example.org", "allow_private": True, "delay_s": 0, "max_retries": 0, **settings})


def run(urls: list[str], out: Path, clock: Clock | None = None, **settings) -> dict:
    return fetch(urls, config(**settings), out, clock or FakeClock())


def journal(out: Path) -> dict[str, str]:
    return {entry["url"]: entry["outcome"] for entry in map(json.loads, (out / JOURNAL).read_text().splitlines())}


def documents(out: Path) -> dict[str | None, str]:
    return {found.url: found.text for found in Files(SourceConfig(name="web", path=out)).documents()}


def test_a_list_becomes_archives_that_curate_reads(site, tmp_path):
    one, two = site.page("/one", "The first page."), site.page("/two?q=é", "unused")
    site.page("/two?q=%C3%A9", "The second page.")
    site.pages["/packed"] = (200, {**HTML, "Content-Encoding": "gzip"}, gzip.compress(archives.page("The third page.")))
    listed = tmp_path / "urls.txt"
    listed.write_text(
        f"# pages\n{one}\n\n{two}\n{one}#part\n{site.url}/packed\nftp://example.org/\nhttp://me:secret@example.org/\n"
    )
    summary = run([str(listed)], tmp_path / "out")
    assert (summary["saved"], summary["not_saved"], summary["left_over"]) == (3, {"address": 2}, 0)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert documents(tmp_path / "out") == {
        one: "The first page.",
        f"{site.url}/two?q=%C3%A9": "The second page.",
        f"{site.url}/packed": "The third page.",
    }
    assert site.agents.pop().endswith("(+someone@example.org)")
    assert site.count("/one") == site.count("/robots.txt") == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_sitemaps_and_an_index_of_them(site, tmp_path, pack):
    pages = [site.page(f"/p{n}", f"page {n}") for n in range(4)]
    entity = '<!DOCTYPE x [<!ENTITY a "&b;&b;">]>'

    def listing(kind: str, urls: list[str]) -> Reply:
        text = "".join(f"<x><loc> {url} </loc></x>" for url in urls)
        return (200, {}, pack(f'<?xml version="1.0"?>{entity}<{kind}>{text}</{kind}>'.encode()))

    site.pages["/a.xml"], site.pages["/b.xml"] = listing("urlset", pages[:2]), listing("urlset", pages[1:])
    site.pages["/map.xml"] = listing("sitemapindex", [f"{site.url}/{name}.xml" for name in ("a", "b", "map", "gone")])
    summary = run([f"{site.url}/map.xml"], tmp_path / "out")
    assert (summary["saved"], summary["not_saved"]) == (4, {"sitemap": 1})
    assert set(documents(tmp_path / "out")) == set(pages)
    with pytest.raises(DataError, match="the sitemap cannot be had"):
        run([f"{site.url}/none.xml"], tmp_path / "other")


def test_robots_are_obeyed_on_every_way_to_a_page(site, tmp_path):
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /private\nAllow: /private/open\nDisallow: /*.pdf$\n")
    urls = [site.page(path) for path in ("/a", "/private/x", "/private/open", "/b.pdf", "/b.pdf?x")]
    site.pages["/to-private"] = (302, {"Location": "/private/x"}, b"")
    summary = run([*urls, f"{site.url}/to-private"], tmp_path / "out")
    assert (summary["saved"], summary["not_saved"]) == (3, {"robots": 3})
    assert site.count("/private/x") == site.count("/b.pdf") == 0


@pytest.mark.parametrize(("status", "saved"), [(404, 1), (403, 1), (500, 0), (503, 0)])
def test_hosts_whose_rules_cannot_be_had(site, tmp_path, status, saved):
    """RFC 9309, 2.3.1.3 and 2.3.1.4: without the file all is allowed; while it cannot be had, nothing is."""
    site.pages["/robots.txt"] = (status, {}, b"")
    assert run([site.page("/a")], tmp_path / "out")["saved"] == saved


def test_each_host_has_its_pace(site, tmp_path):
    other = site.url.replace("127.0.0.1", "localhost")
    clock = FakeClock()
    urls = [site.page(f"/{n}") for n in range(3)]
    run([*urls, f"{other}/0", f"{other}/1"], tmp_path / "out", clock, delay_s=10)
    assert len(site.requests) == 7  # with two robots.txt
    assert clock.slept == [10, 10, 10]  # the other host takes its turns while one waits
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 25\n")
    slow = FakeClock()
    run(urls, tmp_path / "slow", slow, delay_s=10)
    assert slow.slept == [25, 25, 25]
    assert run(urls, tmp_path / "left", delay_s=1, max_delay_s=20)["not_saved"] == {"crawl_delay": 3}


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.end_headers()
    for _ in range(600):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.02)


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    for byte in b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 100:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.02)


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"less")


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\xff\xfenot http\r\n\r\n")


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        ((200, {"Content-Type": "image/png"}, b"x"), "content_type"),
        ((200, HTML, b"x" * 5001), "too_large"),
        ((404, HTML, b"x"), "status"),
        (drip, "too_slow"),
        (drip_head, "too_slow"),
        (silent, "timeout"),
        (short, "cut_off"),
        (nonsense, "connection"),
        ((302, {"Location": "/a"}, b""), "redirects"),
        ((302, {"Location": "/b"}, b""), "redirects"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "address"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "connection"),
        ((302, {}, b""), "status"),
    ],
)
def test_what_is_beyond_a_bound_is_counted_under_its_reason(site, tmp_path, page, outcome):
    site.pages["/a"] = page
    for start, end in ("bc", "cd", "de", "ef", "fg"):
        site.pages[f"/{start}"] = (302, {"Location": f"/{end}"}, b"")
    good = site.page("/good")
    summary = run([f"{site.url}/a", good], tmp_path / "out", max_page_bytes=5000, max_page_s=0.5, timeout_s=0.3, max_redirects=4)
    assert (summary["saved"], summary["not_saved"]) == (1, {outcome: 1})
    assert set(documents(tmp_path / "out")) == {good}


def test_redirects_within_the_bound_are_followed(site, tmp_path):
    site.page("/new", "moved")
    site.pages["/old"] = (301, {"Location": "/new#here"}, b"")
    run([f"{site.url}/old"], tmp_path / "out")
    assert documents(tmp_path / "out") == {f"{site.url}/new": "moved"}
    assert journal(tmp_path / "out") == {f"{site.url}/old": "saved"}


def test_busy_servers_are_given_the_time_they_ask_for(site, tmp_path):
    replies = [(503, {"Retry-After": "7"}, b""), (429, {}, b""), (200, HTML, archives.page("at last"))]

    def busy(handler: BaseHTTPRequestHandler) -> None:
        status, headers, body = replies.pop(0)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    site.pages["/busy"] = busy
    clock = FakeClock()
    assert run([f"{site.url}/busy"], tmp_path / "out", clock, delay_s=1, max_retries=2)["saved"] == 1
    assert clock.slept == [1, 7, 2]


def test_private_addresses_are_refused_unless_asked_for(site, tmp_path):
    urls = [
        site.page("/a"),
        site.url.replace("127.0.0.1", "localhost") + "/a",
        "http://[::1]:1/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
    ]
    summary = run(urls, tmp_path / "out", allow_private=False)
    assert summary["not_saved"] == {"private_address": 5}
    assert site.requests == []


CERTIFICATE = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate by openssl")
def test_certificates_are_checked(site, tmp_path, monkeypatch):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*CERTIFICATE, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    url = site.page("/a", "secure words").replace("http:", "https:")
    assert run([url], tmp_path / "out")["not_saved"] == {"certificate": 1}
    trusting = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
    assert run([url], tmp_path / "trusted")["saved"] == 1
    assert documents(tmp_path / "trusted") == {url: "secure words"}
    assert run([url.replace("127.0.0.1", "localhost")], tmp_path / "name")["not_saved"] == {"certificate": 1}


def test_a_host_that_is_down_is_not_waited_for_again(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    clock = FakeClock()
    summary = run([f"{url}/{n}" for n in range(50)], tmp_path / "out", clock, delay_s=1, max_retries=2)
    assert summary["not_saved"] == {"connection": 50}
    assert sum(clock.slept) < 20


def test_the_same_call_goes_on_and_fetches_nothing_twice(site, tmp_path):
    urls = [site.page(f"/{n}", f"page {n}") for n in range(6)]
    assert run(urls[:4], tmp_path / "out", max_pages=3)["left_over"] == 1
    whole = (tmp_path / "out" / "pages-00000.warc.gz").read_bytes()
    with (tmp_path / "out" / "pages-00000.warc.gz").open("ab") as file:
        file.write(b"what a kill left")
    (tmp_path / "out" / "pages-00001.warc.gz").write_bytes(b"of which no line tells")
    with (tmp_path / "out" / JOURNAL).open("a") as file:
        file.write('{"url": "half a li')
    assert run([*urls, f"{site.url}/none"], tmp_path / "out")["saved"] == 6
    assert (tmp_path / "out" / "pages-00000.warc.gz").read_bytes().startswith(whole)
    assert all(site.count(f"/{n}") == 1 for n in range(6))
    assert sorted(documents(tmp_path / "out").values()) == [f"page {n}" for n in range(6)]
    before = len(site.requests)
    assert run([*urls, f"{site.url}/none"], tmp_path / "out")["saved"] == 6
    assert len(site.requests) == before


KILLED = """
import sys
from pathlib import Path
from groundup.curate.fetch.config import FetchConfig
from groundup.curate.fetch.run import fetch
fetch([sys.argv[1]], FetchConfig(contact="a@b.org", allow_private=True, delay_s=0), Path(sys.argv[2]))
"""


def test_killed_at_any_moment_it_goes_on(site, tmp_path):
    listed = tmp_path / "urls.txt"
    listed.write_text("\n".join(site.page(f"/{n}", f"page {n}") for n in range(60)))
    seen, site.delay_s = 0, 0.01
    for stop_after in (3, 15, 25):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(listed), str(tmp_path / "out")])
        while process.poll() is None and len(site.requests) - seen < stop_after:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        seen = len(site.requests)
    assert run([str(listed)], tmp_path / "out")["saved"] == 60
    assert sorted(documents(tmp_path / "out").values()) == sorted(f"page {n}" for n in range(60))
    assert sum(site.count(f"/{n}") for n in range(60)) <= 60 + 3  # at most the page of each kill again


def test_archives_are_cut_into_segments(site, tmp_path, monkeypatch):
    monkeypatch.setattr("groundup.curate.fetch.archive.SEGMENT_BYTES", 600)
    urls = [site.page(f"/{n}", f"page {n}") for n in range(5)]
    run(urls, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("pages-*.warc.gz"))) > 1
    assert list(documents(tmp_path / "out")) == urls
    (tmp_path / "out" / "pages-00000.warc.gz").write_bytes(b"")
    with pytest.raises(ArtifactError, match="shorter than"):
        Archive(tmp_path / "out")


def test_folders_of_others_and_empty_lists_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    with pytest.raises(ConfigError, match="did not make"):
        run(["http://127.0.0.1:1/"], tmp_path / "mine")
    (tmp_path / "urls.txt").write_text("# nothing\n")
    with pytest.raises(DataError, match="no web addresses"):
        run([str(tmp_path / "urls.txt")], tmp_path / "out")
    with pytest.raises(DataError, match="neither a file of addresses"):
        run(["urls"], tmp_path / "out")


def test_a_plan_asks_nobody(tmp_path):
    (tmp_path / "urls.txt").write_text("http://a.org/1\nhttp://a.org/2\nhttp://b.org/1\nnothing\n")
    found = plan([str(tmp_path / "urls.txt"), "http://a.org/sitemap.xml"], config(delay_s=3))
    assert found == {"addresses": 4, "sitemaps": 1, "hosts": 2, "at_least_s": 6}


def test_on_the_command_line(site, tmp_path):
    command = ["fetch", site.page("/a"), "--out", str(tmp_path / "out"), "--contact", "me@example.org"]
    asked = CliRunner().invoke(app, [*command, "--dry-run", "--json"])
    assert json.loads(asked.stdout) == {"addresses": 1, "sitemaps": 0, "hosts": 1, "at_least_s": 1.0}
    assert (site.requests, (tmp_path / "out").exists()) == ([], False)
    done = CliRunner().invoke(app, [*command, "--allow-private", "--delay-s", "0", "--json"])
    assert json.loads(done.stdout)["saved"] == 1
    refused = CliRunner().invoke(app, [*command, "--delay-s", "-1"])
    assert isinstance(refused.exception, ConfigError)
    assert "delay_s" in str(refused.exception)
