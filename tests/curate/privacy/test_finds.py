"""What each kind finds and what it passes over, one example a line."""

import re

import pytest

from groundup.curate.privacy import KINDS
from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.redactor import Redactor

REDACT = Redactor(RedactConfig()).redact
FOUND = {
    "email": [
        "write to ‹jane.doe+news@mail.example.co.uk›.",
        "<‹a@b.org›>, mailto:‹x_y%z@host-1.net›?subject=hi",
        "'‹bob@x.org›' and ‹o'brien@x.ie› and ‹jörg@müller.de› and ‹a@xn--bcher-kva.example›",
        "two: ‹a@b.org›,‹c@d.org›;‹e@f.gr-g.org›",
        "no space after ‹me@site.com›.",
    ],
    "phone": [
        "call ‹(555) 123-4567› or ‹555-123-4567› or ‹555.234.5678› or ‹(555)123-4567›",
        "‹+1 555 123 4567› 2024, ‹+1-555-123-4567 x12›, ‹+15551234567›, ‹1-800-555-0199›, ‹1 (800) 555-0199›, ‹1.800.555.0199›",
        "‹+49 30 1234567› or ‹0049 30 1234567› or ‹+44 (0)20 7946 0958 ext. 12› or (‹+33 1 23 45 67 89›)",
        "‹00493012345678›, ‹+49.301234567›, ‹+7 (495) 123-45-67›, ‹+353 1 234 5678›, ‹+81\u20113\u20111234\u20115678›",
        "Tel.: ‹030 1234567›, phone number is ‹5551234567›, mobile no. ‹07700 900123›, fax ‹555-0100›, ☎ ‹01 23 45 67 89›",
        "call ‹555-0134›, dial ‹080 1234567›, text us on ‹5552345678›",
        "Springfield, IL 62704 ‹555-123-4567›",
        "reach us under tel:‹+33-1-23-45-67-89›",
    ],
    "ipv4": [
        "from ‹93.184.216.34›, again at ‹151.101.1.69›.",
        "the DNS server ‹8.8.8.8› answers; http://‹1.1.1.1›/x; listen on ‹9.9.9.9›:53; route ‹5.6.0.0›/16",
        "servers ‹8.8.8.8›, ‹4.4.4.4› and ‹9.9.9.9›",
        "client ‹4.12.3.1›, unlike version 4.12.3.2",
    ],
    "ipv6": [
        "host ‹2606:2800:220:1:248:1893:25c8:1946› up",
        "[‹2a00:1450:4001:82a::200e›]:443, ‹2001:4860:4860::8888›/64",
    ],
    "mac": ["‹00:1A:2B:3c:4d:5E› and ‹00-1a-2b-3c-4d-5e›."],
    "card": [
        "‹4111 1111 1111 1111› exp 12/25, ‹4111111111111111›,‹378282246310005› 123, ‹3782 822463 10005›",
        "‹5555-5555-5555-4444›, ‹30569309025904›, ‹3056 930902 5904›, ‹6011111111111117›, ‹3530111333300000›",
        "‹4222222222222›, ‹2223003122003222›, ‹6200000000000005›, ‹4111 1111 1111 1111› 123",
    ],
    "iban": [
        "‹GB29 NWBK 6016 1331 9268 19› thanks, IBAN:‹DE89370400440532013000› or ‹NO93 8601 1117 947›.",
        "‹FR14 2004 1010 0505 0001 3M02 606›, ‹MT84MALT011000012345MTLCAST001S›, ‹gb29nwbk60161331926819›",
        "‹DE89-3704-0044-0532-0130-00›",
    ],
    "ssn": ["SSN ‹123456789›, ‹123-45-6789›, his is ‹100-20-3000›; ‹123 45 6789›.", "social security number: ‹219-09-9999›"],
    "api_key": [
        "‹AKIAIOSFODNN7EXAMPLE› and aws_secret_access_key = ‹wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY›",
        "‹ghp_abcdefghijklmnopqrstuvwxyz0123456789›, token ‹glpat-abcdefgh1234567890ij›",
        "‹sk-proj-abcdEFGH1234567890abcdefgh›, ‹hf_abcdefghijklmnopqrstuvwxyzABCDEFGH›",
        "‹xoxb-123456789012-abcdefGHIJKL›, ‹sk_live_abcdefgh12345678IJKL›, ‹AIzaSyA1234567890abcdefghijklmnopqrstuv›",
        "‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U›",
        'api_key = "‹d41d8cd98f00b204e9800998ecf8427e›", {"client_secret": "‹aB3dE6gH9jK2mN5pQ8sT›"}',
        "Authorization: Bearer ‹abc123DEF456ghi789JKL›",
        "x\n‹-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234\nab+/==\n-----END RSA PRIVATE KEY-----› ok",
        "‹-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----›",
        "cut off: ‹-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAA›\nthe end",
    ],
}
PASSED_OVER = {
    "email": [
        "@decorator and user@localhost and a @ b.c and @app.route",
        "icon@2x.png, getty@tty1.service, react@18.2.0, pip install x@3.11",
        f"{'a' * 70}@b.org is longer than RFC 5321 allows",
    ],
    "phone": [
        "ISBN 978-0-306-40615-7 and 0306406152 on 2024-01-15, 2024-01-15 12:30:45",
        "1,234,567.89 and 1234567890 and 12 345 678 and order no. 5551234567 and invoice 555-123-4567",
        "[-12.5 +4.0614962]j logprob=-0.5961914 and 0052926476 and 10 000 000 people called",
        "30+20221128-1 and 0069 0307 0300 and 0010101000111001 and +12 34 567 8901",
        "555 234 5678 9012 3456, +0 12 345 6789, +1 234 567",
        "@@ -1234567,7 +1234567,8 @@",
    ],
    "ipv4": [
        "version 193.184.216.34, v2.10.200.1, numpy==1.26.200.4, openssl-3.0.200.1, release 4.12.3.1",
        "an upgrade to 4.5.103.33 from 4.5.103.30",
        "we use 4.12.3.1 here; upgraded from 10.15.7.102; see section 3.200.1.4; kernel 5.4.0.150",
        "127.0.0.1, 10.0.0.1, 192.168.1.1, 172.16.5.4, 255.255.255.0, 0.0.0.0, multicast 224.0.1.1",
        "documentation: 192.0.2.10, 198.51.100.7, 203.0.113.99; carriers: 100.64.1.1",
        "address 256.1.1.1 or 1.2.3 or 1.2.3.4.5 or 01.2.3.444",
    ],
    "ipv6": ["x[::2] and a::b and std::vector and 20:30:40 and fe80::1 and ::1 and 2001:db8::1 and 2001::1"],
    "mac": ["12:30:45 and 00:00:00:00:00:00 and ff-ff-ff-ff-ff-ff and 00:1A:2B:3C:4D and 2001:db8:11:22:33:44:55:66"],
    "card": [
        "4111 1111 1111 1112 and 4111111111111112 and 9111111111111111 and 1234567812345670",
        "1990 1991 1992 1993 1994 1995 and 0.4111111111111111 and /feature/5068609911521280",
        "GB08 MEQJ 5797 4505 5226 70 and HR30 4365 1872 8960 4775 6",
        "a4111111111111111 4111 1111-1111 1111 and 4111 1111 1111 1111 2222",
    ],
    "iban": ["GB29NWBK60161331926818 and DE00370400440532013000 and XX8937040044 and DE8937040044053201300", "Form AB12 is due"],
    "ssn": [
        "987-65-4321, 666-12-1234, 000-12-3456, 123-00-4567, 123-45-0000, 123456789, 12-345-6789, 123-45-67890, 1 123 45 6789 0"
    ],
    "api_key": [
        'password: "correct-horse-battery-staple", token = get_token(name), api_key = os.environ["KEY"]',
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 and commit = d41d8cd98f00b204e9800998ecf8427e",
        "desk-top-publishing-and-more-words sk-some-long-hyphenated-name-of-css ghp_short AKIASHORT",
        "token = quack.cache._COMPILE_ONLY_DEPTH.set(quack), tokenizer = GPT2Tokenizer.from_pretrained(x)",
        "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA1234\n-----END PUBLIC KEY-----",
        "api_key: your_api_key_goes_here, secret = xxxxxxxxxxxxxxxxxxxxxxxx",
    ],
}


def test_every_kind_has_examples():
    assert set(FOUND) == set(PASSED_OVER) == set(KINDS) - {"street", "person"}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts])
def test_finds(kind, text):
    """What stands between ‹ and › is found, as this kind, and nothing else of it."""
    raw, spans = unmarked(text)
    finder = KINDS[kind].finder(RedactConfig(kinds=(kind,)))
    assert [raw[start:end] for start, end in finder.find(raw)] == [raw[start:end] for start, end in spans]
    assert KINDS[kind].sign(raw)
    clean, redactions = REDACT(raw)
    assert not [raw[start:end] for start, end in spans if raw[start:end] in clean]
    assert {found.kind for found in redactions} >= {kind}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PASSED_OVER.items() for text in texts])
def test_passes_over(kind, text):
    assert Redactor(RedactConfig(kinds=(kind,))).redact(text) == (text, [])


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without the marks around finds, and where the finds are."""
    raw, spans = "", []
    for place, piece in enumerate(re.split("[‹›]", text)):
        if place % 2:
            spans.append((len(raw), len(raw) + len(piece)))
        raw += piece
    return raw, spans
