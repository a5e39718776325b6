"""What only has the look of personal data: wrong check digits, versions, dates, numbers of other things."""

import random
import uuid

from planted_formats import BBAN, ISSUERS, Draw, digits, iban, letters, luhn_digit

HEX = "0123456789abcdef"


def wrong_card(rng: random.Random, by: str) -> str:
    low, high, length = rng.choice(ISSUERS[rng.choice(["visa", "mastercard", "discover"])])
    first = str(rng.randint(low, high))
    body = first + digits(rng, length - 1 - len(first))
    body += str((int(luhn_digit(body)) + rng.randint(1, 9)) % 10)
    return by.join(body[at : at + 4] for at in range(0, length, 4))


def wrong_iban(rng: random.Random, by: str) -> str:
    right = iban(rng, rng.choice(sorted(BBAN)))
    wrong = f"{right[:2]}{(int(right[2:4]) - 2 + rng.randint(1, 96)) % 97 + 2:02d}{right[4:]}"
    return by.join(wrong[at : at + 4] for at in range(0, len(wrong), 4)) if by else wrong


def version(rng: random.Random, form: str) -> str:
    return form.format(major=rng.randint(0, 20), minor=rng.randint(0, 30), patch=rng.randint(0, 60), build=rng.randint(0, 255))


def date(rng: random.Random, form: str) -> str:
    year, month, day = rng.randint(1900, 2030), rng.randint(1, 12), rng.randint(1, 28)
    return form.format(y=year, m=month, d=day, h=rng.randint(0, 23), i=rng.randint(0, 59), s=rng.randint(0, 59))


def isbn10(rng: random.Random, by: str) -> str:
    body = digits(rng, 9)
    check = sum((10 - place) * int(digit) for place, digit in enumerate(body)) % 11
    return by.join((body[0], body[1:4], body[4:], "0123456789X"[(11 - check) % 11]))


def isbn13(rng: random.Random, by: str) -> str:
    body = "978" + digits(rng, 9)
    check = -sum((3 if place % 2 else 1) * int(digit) for place, digit in enumerate(body)) % 10
    return by.join((body[:3], body[3], body[4:7], body[7:12], str(check)))


def big(rng: random.Random, by: str) -> str:
    return f"{rng.randint(10**6, 10**12):,}".replace(",", by)


DECOYS: dict[str, dict[str, Draw]] = {
    "known": {
        "card with a wrong check digit": lambda rng: wrong_card(rng, rng.choice(["", " "])),
        "IBAN with wrong check digits": lambda rng: wrong_iban(rng, ""),
        "version": lambda rng: version(rng, "{major}.{minor}.{patch}.{build}"),
        "version by v": lambda rng: version(rng, "v{major}.{minor}.{patch}.{build}"),
        "private IPv4": lambda rng: rng.choice(["10.{}.{}.{}", "192.168.{1}.{2}", "172.16.{1}.{2}"]).format(
            *(rng.randint(1, 254) for _ in "abc")
        ),
        "date": lambda rng: date(rng, "{y}-{m:02d}-{d:02d}"),
        "ISBN": lambda rng: isbn13(rng, "-"),
        "big number": lambda rng: big(rng, ","),
        "order number": lambda rng: digits(rng, rng.randint(8, 12)),
        "SHA-1": lambda rng: letters(rng, 40, HEX),
        "impossible SSN": lambda rng: f"{rng.choice([0, 666, rng.randint(900, 999)]):03d}-{digits(rng, 2)}-{digits(rng, 4)}",
    },
    "held_out": {
        "card with a wrong check digit": lambda rng: wrong_card(rng, rng.choice(["", " ", "-"])),
        "IBAN with wrong check digits": lambda rng: wrong_iban(rng, rng.choice(["", " "])),
        "version": lambda rng: version(rng, rng.choice(["{major}.{minor}.{patch}.{build}", "{major}.{minor}.{build}.{patch}"])),
        "version of a package": lambda rng: version(
            rng, rng.choice(["numpy=={major}.{minor}.{patch}.{build}", "libfoo-{major}.{minor}.{patch}.{build}"])
        ),
        "private IPv4": lambda rng: rng.choice(
            ["192.0.2.{0}", "198.51.100.{0}", "127.0.{0}.1", "10.{1}.{0}.7", "169.254.{0}.{1}"]
        ).format(rng.randint(1, 254), rng.randint(1, 254)),
        "date and time": lambda rng: date(
            rng,
            rng.choice(
                ["{d:02d}.{m:02d}.{y} {h:02d}:{i:02d}:{s:02d}", "{y}-{m:02d}-{d:02d}T{h:02d}:{i:02d}:{s:02d}", "{m}/{d}/{y}"]
            ),
        ),
        "ISBN": lambda rng: rng.choice([isbn10, isbn13])(rng, rng.choice(["-", " ", ""])),
        "big number": lambda rng: big(rng, rng.choice([" ", "."])),
        "decimal": lambda rng: f"{rng.choice(['', '-', '+'])}{rng.uniform(0, 400):.{rng.randint(5, 15)}f}",
        "timestamp": lambda rng: str(rng.randint(1_000_000_000_000, 1_900_000_000_000)),
        "MD5": lambda rng: letters(rng, 32, HEX),
        "UUID": lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
        "name of a file": lambda rng: f"{letters(rng, 6, 'abcdefgh')}@{rng.randint(2, 3)}x.{rng.choice(['png', 'jpg', 'svg'])}",
        "years": lambda rng: f"{rng.randint(1800, 1899)}-{rng.randint(1900, 1999)}",
        "ZIP code": lambda rng: f"{digits(rng, 5)}-{digits(rng, 4)}",
        "section": lambda rng: ".".join(str(rng.randint(1, 12)) for _ in range(4)),
    },
}
"""Style -> decoy -> how one is drawn."""

DECOY_SENTENCES: dict[str, dict[str, list[str]]] = {
    "known": {
        "version": ["version {} is out", "upgrade to {} now", "we run release {} here", "program {} was slow"],
        "order number": ["order no. {} was sent", "invoice {}", "ticket {} is open"],
        "ISBN": ["ISBN {}", "the book, {}, is out"],
    },
    "held_out": {
        "version": [
            "Firmware: {}",
            "fixed in {} and later",
            "downgrading from {} helped",
            "it ships with {}",
            "driver {} (stable)",
        ],
        "section": ["see section {} for more", "as said in {} above"],
        "timestamp": ['"created": {},', "at {} ms"],
        "big number": ["a sum of {} was paid", "some {} people came"],
    },
}
"""The sentences of a decoy, where any would not do."""
