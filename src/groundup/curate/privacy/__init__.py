"""Kinds of personal data and secrets by name. Where two finds overlap, the kind that stands first wins."""

from groundup.curate.privacy import signs
from groundup.curate.privacy.card import Cards
from groundup.curate.privacy.config import KindName
from groundup.curate.privacy.iban import Ibans
from groundup.curate.privacy.ip import IPv4Addresses, IPv6Addresses
from groundup.curate.privacy.keys import Keys
from groundup.curate.privacy.kind import Kind
from groundup.curate.privacy.mac import MacAddresses
from groundup.curate.privacy.mail import Emails
from groundup.curate.privacy.phone import Phones
from groundup.curate.privacy.presidio import Persons, Streets
from groundup.curate.privacy.ssn import SocialSecurityNumbers

KINDS: dict[KindName, Kind] = {
    "api_key": Kind(
        Keys,
        signs.any_text,
        finds="tokens of the makers below, blocks of private keys (PEM), random values under names such as `api_key`",
        check="the maker's letters and length; for other values the entropy of their letters, and digits or mixed case",
        source="the makers' documentation (below); RFC 7468; RFC 7519",
        passes_over="passwords that are words, keys without a name or a maker's letters (a bare AWS secret key)",
    ),
    "email": Kind(
        Emails,
        signs.at_sign,
        finds="`name@host.tld`, also with letters of other scripts",
        check="2 to 9 labels, the last like a top-level domain; no files (`icon@2x.png`) or units (`getty@tty1.service`)",
        source="RFC 5321 section 4.1.2, RFC 6531",
        passes_over="hosts without a dot, quoted local parts, domain literals, addresses spelt out (`name at host dot org`)",
    ),
    "iban": Kind(
        Ibans,
        signs.many_digits,
        finds="in a row, or in groups by spaces or hyphens",
        check="country, its length, remainder modulo 97",
        source="ISO 13616 and SWIFT's IBAN Registry; ISO 7064",
        passes_over="national account numbers",
    ),
    "card": Kind(
        Cards,
        signs.seven_digits,
        finds="13 to 19 digits in a row, or 4-4-4-4(-3), 4-6-5, 4-6-4 by spaces or hyphens",
        check="first digits and length of a network, check digit of Luhn, no row of numbers",
        source="ISO/IEC 7812-1; the networks' documentation",
        passes_over="expiry dates and check values beside them, cards of shops",
    ),
    "ssn": Kind(
        SocialSecurityNumbers,
        signs.seven_digits,
        finds="3-2-4 by hyphens or spaces; 9 digits after `SSN` or `social security`",
        check="area not 000, 666 or 9xx, group not 00, serial not 0000",
        source="US Social Security Administration, POMS RM 10201",
        passes_over="taxpayer numbers (9xx), numbers of other countries",
    ),
    "ipv6": Kind(
        IPv6Addresses,
        signs.two_colons,
        finds="full and compressed writing",
        check="parses; global unicast, 2000::/3",
        source="RFC 4291 sections 2.2 and 2.4; IANA special-purpose registry",
        passes_over="IPv4 inside IPv6 (its IPv4 part is found), zones (`%eth0`)",
    ),
    "mac": Kind(
        MacAddresses,
        signs.bytes_in_hexadecimal,
        finds="six bytes by colons or hyphens",
        check="not all zeros or all ones",
        source="IEEE 802, clause 8",
        passes_over="writing with dots (`0123.4567.89ab`) or nothing between",
    ),
    "ipv4": Kind(
        IPv4Addresses,
        signs.three_dotted_numbers,
        finds="four numbers between dots",
        check="each below 256, no leading zeros; public; not the look, words or signs of a version or section",
        source="RFC 791; IANA special-purpose registry",
        passes_over="hexadecimal, octal and shortened writing",
    ),
    "phone": Kind(
        Phones,
        signs.seven_digits,
        finds="`+` or `00` with a country's code; 3-3-4 digits of North America; digits after `tel`, `fax`, `call` and the like",
        check="the country's code is given out, 7 to 15 digits (11 with code 1); not after `order`, `ISBN`, `no.` and the like",
        source="ITU-T E.164 and its list of codes; NANPA",
        passes_over="national numbers of other countries without such a word, numbers in letters, digits of other scripts",
    ),
    "street": Kind(
        Streets,
        signs.a_digit,
        finds="a number with a street's name and word for street in English, German and French; post boxes",
        check="the word for street, capitals of names",
        source="our expressions, run by Presidio (extra `presidio`)",
        passes_over="towns and postal codes, other languages, addresses over several lines",
    ),
    "person": Kind(
        Persons,
        signs.any_text,
        finds="the names in `person_names`; what the spaCy pipeline in `person_pipeline` takes for a person",
        check="none",
        source="Presidio (extra `presidio`); your list, your pipeline",
        passes_over="without a pipeline, all names that are not listed",
    ),
}
