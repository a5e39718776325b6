"""robots.txt by the examples of RFC 9309, addresses by those of the registries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.fetch.addresses import is_public
from groundup.curate.fetch.inputs import clean_url
from groundup.curate.fetch.outcome import Refused
from groundup.curate.fetch.robots import Robots, parse_robots

# RFC 9309, 5.1 with our product token in the place of the examples'.
SIMPLE = """User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: groundup
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


def allows(text: str, path: str) -> bool:
    return parse_robots(text).allows("http://example.com" + path)


@pytest.mark.parametrize(
    ("path", "ours", "everyone"),
    [
        ("/example/page.html", True, False),
        ("/example/allowed.gif", True, False),
        ("/", False, True),
        ("/x.gif", False, False),
        ("/x.gifs", False, True),
        ("/publications/x.gif", False, True),  # 14 octets of allow against 6 of disallow
    ],
)
def test_simple_example(path, ours, everyone):
    assert allows(SIMPLE, path) is ours
    assert allows(SIMPLE.replace("groundup", "otherbot"), path) is everyone


def test_longest_match_example():
    """RFC 9309, 5.2."""
    text = "User-Agent: groundup\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
    assert not allows(text, "/example/page/disallowed.gif")
    assert allows(text, "/example/page/x")


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "/", True),
        ("user-agent: GroundUp/2.0\ndisallow: /", "/x", False),
        ("User-agent: groundup-images\nDisallow: /", "/x", True),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /a # why", "/a", False),
        ("User-agent: a\nUser-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/a", False),
        ("User-agent: a\nUser-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b", "/b", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /caf%C3%A9", "/caf%C3%A9/x", False),
        ("User-agent: *\nDisallow: /café", "/caf%C3%A9/x", False),
        ("User-agent: *\nDisallow: /*/c*d$", "/a/b/cxd", False),
        ("User-agent: *\nDisallow: /*/c*d$", "/a/cxde", True),
        ("User-agent: *\nDisallow: /*?q=", "/a?q=1", False),
        ("Disallow: /", "/", True),
        ("\ufeffnonsense\n\0\n::::\nUser-agent: *\nDisallow: /a", "/a", False),
    ],
)
def test_groups_and_patterns(text, path, expected):
    assert allows(text, path) is expected


def slow_match(pattern: str, path: str) -> bool:
    """Match by trying everything."""
    if not pattern:
        return True
    if pattern == "$":
        return not path
    if pattern[0] == "*":
        return any(slow_match(pattern[1:], path[start:]) for start in range(len(path) + 1))
    return path[:1] == pattern[0] and slow_match(pattern[1:], path[1:])


@given(st.text("ab*", max_size=6), st.booleans(), st.text("ab", max_size=8))
def test_patterns_match_as_the_slow_way_says(pattern, is_whole, path):
    pattern, path = "/" + pattern + "$" * is_whole, "/" + path
    assert Robots((("disallow", pattern),)).allows("http://a" + path) is not slow_match(pattern, path)


def test_delays_and_sitemaps():
    robots = parse_robots("Sitemap: http://a/s.xml\nUser-agent: *\nCrawl-delay: 2.5\nCrawl-delay: soon\nSitemap: http://a/t.xml")
    assert (robots.crawl_delay_s, robots.sitemaps) == (2.5, ("http://a/s.xml", "http://a/t.xml"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        *((address, False) for address in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1")),
        *((address, False) for address in ("0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1")),
        *((address, False) for address in ("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1")),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_public_addresses(address, expected):
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("HTTP://Example.ORG:80/A?b=c d#e", "http://example.org:80/A?b=c%20d"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://[::1]/", "http://[::1]/"),
        ("http://a.org", "http://a.org/"),
        ("http://a.org/%7Eme?x=%26", "http://a.org/%7Eme?x=%26"),
        *(
            (text, None)
            for text in ("ftp://a.org/", "javascript:alert(1)", "http:///x", "http://a:b@c/", "http://a:99999/", "x", "http://[/")
        ),
    ],
)
def test_addresses_are_cleaned_or_refused(text, clean):
    if clean is None:
        with pytest.raises(Refused):
            clean_url(text)
    else:
        assert clean_url(text) == clean
        assert clean_url(clean) == clean
