"""Kinds of personal data and secrets by name. Where two finds overlap, the kind that stands first wins."""

from groundup.curate.privacy import signs
from groundup.curate.privacy.config import KindName
from groundup.curate.privacy.ip import IPv4Addresses, IPv6Addresses
from groundup.curate.privacy.kind import Kind
from groundup.curate.privacy.mail import Emails

KINDS: dict[KindName, Kind] = {
    "email": Kind(
        Emails,
        signs.at_sign,
        finds="`name@host.tld`, also with letters of other scripts",
        check="2 to 9 labels, the last like a top-level domain; no files (`icon@2x.png`) or units (`getty@tty1.service`)",
        source="RFC 5321 section 4.1.2, RFC 6531",
        passes_over="hosts without a dot, quoted local parts, domain literals, addresses spelt out (`name at host dot org`)",
    ),
    "ipv6": Kind(
        IPv6Addresses,
        signs.two_colons,
        finds="full and compressed writing",
        check="parses; global unicast, 2000::/3",
        source="RFC 4291 sections 2.2 and 2.4; IANA special-purpose registry",
        passes_over="IPv4 inside IPv6 (its IPv4 part is found), zones (`%eth0`)",
    ),
    "ipv4": Kind(
        IPv4Addresses,
        signs.three_dotted_numbers,
        finds="four numbers between dots",
        check="each below 256, no leading zeros; public; not the look, words or signs of a version or section",
        source="RFC 791; IANA special-purpose registry",
        passes_over="hexadecimal, octal and shortened writing",
    ),
}
