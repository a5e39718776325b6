"""Fetch: addresses in, archives of pages out, each address with what became of it."""

import heapq
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from groundup.core.errors import ConfigError, DataError
from groundup.core.files import locked, write_json
from groundup.core.progress import progress
from groundup.curate.fetch.archive import JOURNAL, Archive
from groundup.curate.fetch.client import Client
from groundup.curate.fetch.clock import Clock
from groundup.curate.fetch.config import FetchConfig
from groundup.curate.fetch.inputs import (
    MAX_SITEMAP_BYTES,
    clean_url,
    is_address,
    is_index,
    is_sitemap,
    read_list,
    sitemap_entries,
    sitemap_text,
)
from groundup.curate.fetch.outcome import Answer, Refused
from groundup.curate.fetch.robots import ALLOW_ALL, DISALLOW_ALL, MAX_ROBOTS_BYTES, Robots, parse_robots

SUMMARY = "summary.json"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOST_DOWN = frozenset({"connection", "timeout"})
_MAX_SITEMAPS = 1000


def fetch(inputs: Sequence[str], config: FetchConfig, out: Path, clock: Clock | None = None) -> dict[str, Any]:
    """Fetch what the inputs name into `out` and return the summary: counts by outcome.

    An input is a file of addresses, a sitemap (file or address), or an address. One request at a time; the waiting time of a
    host is used for others. The same call goes on from what is done. Raises DataError if the inputs name nothing.
    """
    if out.exists() and any(out.iterdir()) and not (out / JOURNAL).is_file():
        raise ConfigError(f"{out}: holds something that 'fetch' did not make; choose another --out")
    with locked(out):
        return Fetcher(config, Archive(out), clock or Clock()).run(inputs)


def plan(inputs: Sequence[str], config: FetchConfig) -> dict[str, Any]:
    """Return what would be asked for, without asking: pages that sitemaps list are not known yet."""
    texts = [[item] if is_address(item) else sitemap_entries(read_list(Path(item))) for item in inputs]
    named = [text for inner in texts for text in inner]
    pages = {text for text in named if not is_sitemap(text)}
    hosts = Counter(_host(clean_url(page)) for page in pages if _is_clean(page))
    return {
        "addresses": len(pages),
        "sitemaps": len(set(named)) - len(pages),
        "hosts": len(hosts),
        "at_least_s": max(hosts.values(), default=0) * config.delay_s,
    }


def _is_clean(text: str) -> bool:
    try:
        clean_url(text)
    except Refused:
        return False
    return True


class Fetcher:
    """Walks over addresses politely."""

    def __init__(self, config: FetchConfig, archive: Archive, clock: Clock) -> None:
        self._config, self._archive, self._clock = config, archive, clock
        self._client = Client(config)
        self._robots: dict[str, Robots] = {}
        self._ready_s: dict[str, float] = {}
        """By host: when it may be asked again."""
        self._down: dict[str, Refused] = {}
        """Hosts that never answered: their pages are not waited for again."""
        self._left_over = 0

    def run(self, inputs: Sequence[str]) -> dict[str, Any]:
        """Fetch all; return the summary, which is also written."""
        urls = [url for url in self._addresses(inputs) if url not in self._archive.done]
        if not urls and not self._archive.done:
            raise DataError(f"no web addresses in {', '.join(inputs)}")
        queues: dict[str, deque[str]] = {}
        for url in urls:
            queues.setdefault(_host(url), deque()).append(url)
        turns = [(0.0, order, host) for order, host in enumerate(queues)]
        left_over = len(urls)
        with progress("fetching", max(len(urls), 1)) as bar:
            while turns and not self._is_full():
                since_s, order, host = heapq.heappop(turns)
                ready_s = self._ready_s.get(host, 0.0)
                if ready_s <= since_s:
                    self._settle(queues[host].popleft())
                    left_over -= 1
                    bar.advance(1, f"{self._archive.outcomes['saved']:,} pages saved")
                if queues[host]:
                    heapq.heappush(turns, (self._ready_s.get(host, 0.0), order, host))
        self._left_over = left_over
        return self._summary()

    def _settle(self, url: str) -> None:
        """Fetch one page, and again if that may help; write down what came of it."""
        for attempt in range(self._config.max_retries + 1):
            try:
                answer = self._follow(url, self._config.max_page_bytes, self._config.content_types)
                if answer.status != 200:
                    raise Refused("status", f"{url}: status {answer.status}")
                self._archive.save(url, answer)
                return
            except Refused as refused:
                host = _host(url)
                if refused.rule in _HOST_DOWN and host not in self._robots and attempt == self._config.max_retries:
                    self._down[host] = refused
                if not refused.may_retry or attempt == self._config.max_retries or refused.wait_s > self._config.max_delay_s:
                    self._archive.note(url, refused.rule, str(refused))
                    return
                wait_s = max(refused.wait_s, self._delay_s(host) * 2**attempt)
                self._ready_s[host] = max(self._ready_s.get(host, 0.0), self._clock.now_s() + wait_s)

    def _follow(self, url: str, max_bytes: int, content_types: tuple[str, ...] | None) -> Answer:
        """Return the answer behind redirects, each held to the same rules as an address from the list."""
        seen = [url]
        while True:
            self._check_robots(url)
            self._wait(_host(url))
            answer = self._client.get(url, max_bytes, content_types)
            location = answer.header("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            url = clean_url(urljoin(url, location))
            if url in seen:
                raise Refused("redirects", f"{seen[0]}: redirected in a circle at {url}")
            if len(seen) > self._config.max_redirects:
                raise Refused("redirects", f"{seen[0]}: more than {self._config.max_redirects} redirects")
            seen.append(url)

    def _check_robots(self, url: str) -> None:
        host = _host(url)
        if host in self._down:
            raise Refused(self._down[host].rule, f"{url}: {host} could not be reached before")
        if host not in self._robots:
            self._robots[host] = self._ask_robots(url)
            self._ready_s[host] += self._delay_s(host) - self._config.delay_s
        robots = self._robots[host]
        if robots.crawl_delay_s > self._config.max_delay_s:
            why = f"asks for {robots.crawl_delay_s:g} s between requests, at most {self._config.max_delay_s:g} are waited"
            raise Refused("crawl_delay", f"{url}: {host} {why}")
        if not robots.allows(url):
            raise Refused("robots", f"{url}: not allowed by robots.txt")

    def _ask_robots(self, url: str) -> Robots:
        """Return the host's rules (RFC 9309, 2.3.1): none if it has no robots.txt, nothing allowed if it cannot say now."""
        place = f"{_host(url)}/robots.txt"
        try:
            for _ in range(self._config.max_redirects + 1):
                self._wait(_host(place))
                answer = self._client.get(place, MAX_ROBOTS_BYTES)
                if answer.status not in _REDIRECTS:
                    break
                place = clean_url(urljoin(place, answer.header("location")))
        except Refused as refused:
            if refused.rule in _HOST_DOWN or refused.rule in ("private_address", "certificate"):
                raise
            return DISALLOW_ALL
        if answer.status == 200:
            return parse_robots(sitemap_text(answer.body, place))
        return ALLOW_ALL if 300 <= answer.status < 500 else DISALLOW_ALL

    def _delay_s(self, host: str) -> float:
        robots = self._robots.get(host, ALLOW_ALL)
        return max(self._config.delay_s, robots.crawl_delay_s)

    def _wait(self, host: str) -> None:
        """Sleep until the host may be asked, and take its turn."""
        wait_s = self._ready_s.get(host, 0.0) - self._clock.now_s()
        if wait_s > 0:
            self._clock.sleep(wait_s)
        self._ready_s[host] = self._clock.now_s() + self._delay_s(host)

    def _addresses(self, inputs: Sequence[str]) -> list[str]:
        """Return the addresses of pages, each once, in the order given; sitemaps are fetched."""
        found: dict[str, None] = {}
        for item in inputs:
            for text in self._named(item):
                try:
                    found[clean_url(text)] = None
                except Refused as refused:
                    if text not in self._archive.done:
                        self._archive.note(text, refused.rule, str(refused))
        return list(found)

    def _named(self, item: str) -> list[str]:
        """Return the addresses of pages that an input names."""
        if is_address(item):
            return self._sitemap(item) if is_sitemap(item) else [item]
        text = read_list(Path(item))
        entries = sitemap_entries(text)
        return [page for entry in entries for page in self._sitemap(entry)] if is_index(text) else entries

    def _sitemap(self, url: str) -> list[str]:
        """Return the pages of a sitemap, or of the sitemaps that an index lists; raise DataError if the first cannot be had."""
        pages: list[str] = []
        waiting, seen = deque([url]), {url}
        while waiting and len(seen) <= _MAX_SITEMAPS:
            place = waiting.popleft()
            try:
                answer = self._follow(clean_url(place), MAX_SITEMAP_BYTES, None)
                if answer.status != 200:
                    raise Refused("sitemap", f"{place}: status {answer.status}")
                text = sitemap_text(answer.body, place)
            except Refused as refused:
                if place == url:
                    raise DataError(f"the sitemap cannot be had: {refused}") from None
                self._archive.note(place, "sitemap", str(refused))
                continue
            entries = sitemap_entries(text)
            if is_index(text):
                waiting += [entry for entry in dict.fromkeys(entries) if entry not in seen]
                seen.update(entries)
            else:
                pages += entries
        return pages

    def _is_full(self) -> bool:
        return self._archive.outcomes["saved"] >= self._config.max_pages or self._archive.num_bytes >= self._config.max_bytes

    def _summary(self) -> dict[str, Any]:
        not_saved = {name: number for name, number in sorted(self._archive.outcomes.items()) if name != "saved"}
        summary = {
            "out": str(self._archive.folder),
            "saved": self._archive.outcomes["saved"],
            "bytes": self._archive.num_bytes,
            "left_over": self._left_over,
            "not_saved": not_saved,
        }
        write_json(self._archive.folder / SUMMARY, summary)
        return summary


def _host(url: str) -> str:
    place = urlsplit(url)
    return f"{place.scheme}://{place.netloc}"
