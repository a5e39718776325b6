"""What tells of a person, and what only looks like it: values drawn at random, each in a sentence."""

import ipaddress
import string
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Rng = np.random.Generator


class Value(NamedTuple):
    """A planted value; a decoy must not be redacted."""

    kind: str
    value: str
    decoy: bool


def _digits(rng: Rng, number: int) -> str:
    return "".join(map(str, rng.integers(0, 10, number)))


def _letters(rng: Rng, number: int, alphabet: str = string.ascii_lowercase) -> str:
    return "".join(rng.choice(list(alphabet), number))


def luhn_digit(digits: str) -> str:
    """Return the digit that completes a card number (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * 2 if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(digits))]
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def iban_check(country: str, account: str) -> str:
    """Return the two check digits of an IBAN (ISO 13616: mod 97)."""
    number = "".join(str(int(sign, 36)) for sign in account + country + "00")
    return f"{98 - int(number) % 97:02d}"


def _email(rng: Rng) -> str:
    domain = rng.choice(["com", "net", "org", "co.uk", "de"])
    return f"{_letters(rng, 5)}.{_letters(rng, 7)}{rng.integers(100)}@{_letters(rng, 9)}.{domain}"


def _phone_us(rng: Rng) -> str:
    area, office, line = rng.integers(201, 990), rng.integers(201, 999), _digits(rng, 4)
    return str(rng.choice([f"({area}) {office}-{line}", f"{area}-{office}-{line}", f"+1 {area} {office} {line}"]))


def _phone_international(rng: Rng) -> str:
    country = rng.choice([44, 49, 33, 39, 34, 31, 46, 48])
    return f"+{country} {rng.integers(20, 99)} {_digits(rng, 4)} {_digits(rng, 4)}"


def _ipv4(rng: Rng) -> str:
    while True:
        address = ipaddress.IPv4Address(int(rng.integers(1 << 32)))
        if address.is_global and not address.is_multicast and max(address.packed) >= 64:
            return str(address)


def _ipv6(rng: Rng) -> str:
    return "2a02:" + ":".join(f"{part:x}" for part in rng.integers(1, 1 << 16, 7))


def _card(rng: Rng) -> str:
    digits = str(rng.choice(["4", "51", "52", "55"]))
    digits += _digits(rng, 15 - len(digits))
    digits += luhn_digit(digits)
    groups = [digits[at : at + 4] for at in range(0, 16, 4)]
    return str(rng.choice([" ", "-", ""])).join(groups)


def _iban(rng: Rng) -> str:
    country, length = (("DE", 18), ("FR", 23), ("ES", 20))[int(rng.integers(3))]
    account = _digits(rng, length)
    iban = f"{country}{iban_check(country, account)}{account}"
    return iban if rng.random() < 0.5 else " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


def _ssn(rng: Rng) -> str:
    return f"{rng.integers(1, 665):03d}-{rng.integers(1, 99):02d}-{rng.integers(1, 9999):04d}"


def _aws_key(rng: Rng) -> str:
    return "AKIA" + _letters(rng, 16, string.ascii_uppercase + "234567")


def _github_token(rng: Rng) -> str:
    return "ghp_" + _letters(rng, 36, string.ascii_letters + string.digits)


def _version(rng: Rng) -> str:
    return ".".join(map(str, rng.integers(0, 20, 4)))


def _private_ipv4(rng: Rng) -> str:
    return f"192.168.{rng.integers(256)}.{rng.integers(1, 255)}"


def _wrong_card(rng: Rng) -> str:
    digits = "4" + _digits(rng, 14)
    return digits + str((int(luhn_digit(digits)) + 1 + int(rng.integers(8))) % 10)


def _wrong_iban(rng: Rng) -> str:
    account = _digits(rng, 18)
    check = (int(iban_check("DE", account)) - 2 + int(rng.integers(1, 97))) % 97 + 2
    return f"DE{check:02d}{account}"


IDENTITIES: dict[str, tuple[Callable[[Rng], str], str]] = {
    "email": (_email, "Write to {} before the end of the week."),
    "phone_us": (_phone_us, "In the evening call {} and ask for the office."),
    "phone_international": (_phone_international, "The telephone of the house is {} on all days."),
    "ipv4": (_ipv4, "The server at {} did not answer in time."),
    "ipv6": (_ipv6, "The host answered from {} on the first try."),
    "card": (_card, "She paid with the card {} and took the receipt."),
    "iban": (_iban, "The sum goes to the account {} by the first of the month."),
    "ssn": (_ssn, "His social security number is {} according to the form."),
    "aws_key": (_aws_key, "The key {} was left in the notes by mistake."),
    "github_token": (_github_token, "The token {} was left in the notes as well."),
}
"""Kind -> how a value is drawn, and the sentence that holds it."""

DECOYS: dict[str, tuple[Callable[[Rng], str], str]] = {
    "version": (_version, "They installed version {} of the program on the machine."),
    "private_ipv4": (_private_ipv4, "The printer in the hall has {} as its place in the house."),
    "card": (_wrong_card, "The number of the order was {} in the books."),
    "iban": (_wrong_iban, "The reference {} stood at the head of the letter."),
}
"""The same for what has the look of one: a version, a private address, wrong check digits."""


def plant(rng: Rng, number: int) -> tuple[list[str], list[Value]]:
    """Return sentences that hold values of different kinds, a third of them decoys, and the values."""
    chosen = [(kind, IDENTITIES[kind], False) for kind in rng.permutation(list(IDENTITIES))[: number - number // 3]]
    chosen += [(kind, DECOYS[kind], True) for kind in rng.permutation(list(DECOYS))[: number // 3]]
    values = [Value(str(kind), draw(rng), decoy) for kind, (draw, _), decoy in chosen]
    sentences = [sentence.format(value.value) for value, (_, (_, sentence), _) in zip(values, chosen, strict=True)]
    return sentences, values
