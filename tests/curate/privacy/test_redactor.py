import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.kind import placeholder
from groundup.curate.privacy.redactor import Redactor

redact = Redactor(RedactConfig()).redact

REDACTED = [
    ("write to jane.doe+news@mail.example.co.uk.", "write to <EMAIL>."),
    ("<a@b.org>", "<<EMAIL>>"),
    ("from 93.184.216.34, again", "from <IPV4>, again"),
    ("ends with 151.101.1.69.", "ends with <IPV4>."),
    ("the DNS server 8.8.8.8 answers", "the DNS server <IPV4> answers"),
    ("http://1.1.1.1/x", "http://<IPV4>/x"),
    ("listen on 9.9.9.9:53", "listen on <IPV4>:53"),
    ("host 2606:2800:220:1:248:1893:25c8:1946 up", "host <IPV6> up"),
    ("[2a00:1450:4001:82a::200e]:443", "[<IPV6>]:443"),
]
KEPT = [
    "version 193.184.216.34",
    "v2.10.200.1",
    "numpy==1.26.200.4",
    "openssl-3.0.200.1",
    "release 4.12.3.1",
    "we use 4.12.3.1 here",
    "see section 3.200.1.4",
    "127.0.0.1 and 10.0.0.1 and 192.168.1.1 and 172.16.5.4",
    "documentation: 192.0.2.10, 198.51.100.7, 203.0.113.99, 2001:db8::1",
    "address 256.1.1.1 or 1.2.3 or 1.2.3.4.5 or 01.2.3.444",
    "x[::2] and a::b and std::vector and 20:30:40 and fe80::1 and ::1",
    "@decorator and user@localhost and a @ b.c",
    "multicast address 224.0.1.1",
]


@pytest.mark.parametrize(("text", "expected"), REDACTED)
def test_public_addresses_are_replaced(text, expected):
    clean, redactions = redact(text)
    assert clean == expected
    assert [clean[found.start : found.end] for found in redactions] == [placeholder(found.kind) for found in redactions]


@pytest.mark.parametrize("text", KEPT)
def test_other_things_stay(text):
    assert redact(text) == (text, [])


@given(st.lists(st.sampled_from(["a@b.org", " ", "93.184.216.34", "ip ", "x", "2606:2800:220::1", "\n", ".", ":"])))
def test_redacting_again_changes_nothing(parts):
    clean, redactions = redact("".join(parts))
    assert [clean[found.start : found.end] for found in redactions] == [placeholder(found.kind) for found in redactions]
    assert redact(clean) == (clean, [])
