"""Make sentences that hold personal data and secrets of known kinds, and others that only look so.

    python benchmarks/curate/planted_privacy.py FILE.jsonl [--style known|held_out|faker] [--number 200] [--seed 0]

Every value is drawn from the specification of its format, not from what some expression finds: cards by issuer ranges and Luhn,
IBANs by country structure and mod 97, addresses as numbers. `held_out` has other writings and other sentences than `known`, which
expressions may be tuned on. `faker` draws values by the Faker library (an environment of its own: `pip install faker numpy`) in the
sentences of `held_out`. Each line of the file is {"kind", "writing", "decoy", "value", "text"}: the value stands in the text once.
Numbers are made up; where one happens to be somebody's, it is by chance.
"""

import argparse
import importlib
import ipaddress
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from planted_decoys import DECOY_SENTENCES, DECOYS
from planted_formats import BBAN, ISSUERS, Draw, digits, iban, letters, luhn_digit

NAMES = [
    "anna",
    "ben",
    "carla",
    "dmitri",
    "elif",
    "farid",
    "greta",
    "hugo",
    "ines",
    "jonas",
    "kofi",
    "lena",
    "mei",
    "nadia",
    "omar",
    "petra",
]
HOSTS = ["mailbox", "example", "riverbank", "north-shore", "lab7", "school", "harbour", "printworks", "acme", "tulip"]
ENDS = ["com", "org", "net", "edu", "io", "co.uk", "de", "fr", "com.br", "info", "museum"]


@dataclass(frozen=True)
class Planted:
    """One value or decoy in its sentence."""

    kind: str
    writing: str
    decoy: bool
    value: str
    text: str


def email(rng: random.Random, form: str) -> str:
    one, two, host, end = rng.choice(NAMES), rng.choice(NAMES), rng.choice(HOSTS), rng.choice(ENDS)
    number = rng.randrange(1, 1990)
    return form.format(one=one, two=two, one_letter=one[0], host=host, end=end, number=number)


def address4(rng: random.Random) -> str:
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def address6(rng: random.Random, compressed: bool) -> str:
    head = rng.choice([0x2001_0470, 0x2600_1F18, 0x2A02_8108, 0x2A00_1450, 0x2620_0000, 0x2803_6C00, 0x2404_6800])
    body = (rng.getrandbits(32) << 64) | rng.getrandbits(12 if compressed else 64)
    address = ipaddress.IPv6Address((head << 96) | body)
    return address.compressed if compressed else ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))


def card(rng: random.Random, network: str, groups: tuple[int, ...], by: str) -> str:
    low, high, length = rng.choice(ISSUERS[network])
    first = str(rng.randint(low, high))
    body = first + digits(rng, length - 1 - len(first))
    body += luhn_digit(body)
    if not groups:
        return body
    cut, parts = 0, []
    for size in groups:
        parts.append(body[cut : cut + size])
        cut += size
    return by.join(part for part in [*parts, body[cut:]] if part)


def ssn(rng: random.Random, by: str) -> str:
    area = rng.choice([rng.randint(1, 665), rng.randint(667, 899)])
    return f"{area:03d}{by}{rng.randint(1, 99):02d}{by}{rng.randint(1, 9999):04d}"


def mac(rng: random.Random, by: str, upper: bool) -> str:
    text = by.join(f"{rng.randrange(256):02x}" for _ in range(6))
    return text.upper() if upper else text


def american(rng: random.Random, form: str) -> str:
    """Return a number of the North American plan: area and exchange 2xx to 9xx."""
    return form.format(a=rng.randint(201, 989), e=rng.randint(200, 999), s=f"{rng.randrange(10000):04d}")


def abroad(rng: random.Random, form: str) -> str:
    """Return an E.164 number: code of a country, then 8 to 11 digits in groups."""
    code, area = rng.choice(
        [
            (44, 20),
            (49, 30),
            (33, 1),
            (39, 6),
            (34, 91),
            (31, 20),
            (46, 8),
            (81, 3),
            (91, 22),
            (55, 11),
            (27, 21),
            (61, 2),
            (353, 1),
            (380, 44),
        ]
    )
    return form.format(
        c=code, a=area, x=digits(rng, 4, "23456789"), y=digits(rng, 4), p=digits(rng, 2), q=digits(rng, 2), r=digits(rng, 2)
    )


LOWER_HEX, ALNUM, URL_SAFE = "0123456789abcdef", string.ascii_letters + string.digits, string.ascii_letters + string.digits + "-_"
EMAILS = {
    "known": [
        "{one}.{two}@{host}.{end}",
        "{one_letter}{two}{number}@{host}.{end}",
        "{one}+{two}@mail.{host}.{end}",
        "{one}_{two}@{host}.{end}",
    ],
    "held_out": [
        "{one}-{two}{number}@{host}.{end}",
        "{one}@{two}.{host}.{end}",
        "{one_letter}.{two}.{number}@{host}{number}.{end}",
        "{number}{one}%{two}@{host}.{end}",
    ],
}
AMERICAN = {
    "known": ["({a}) {e}-{s}", "{a}-{e}-{s}", "{a}.{e}.{s}", "+1 {a} {e} {s}", "1-{a}-{e}-{s}", "+1 ({a}) {e}-{s}"],
    "held_out": [
        "({a}){e}-{s}",
        "+1-{a}-{e}-{s}",
        "+1{a}{e}{s}",
        "1 ({a}) {e}-{s}",
        "{a} {e} {s}",
        "{a}-{e}-{s} ext. 42",
        "{a}/{e}-{s}",
        "+1.{a}.{e}.{s}",
    ],
}
ABROAD = {
    "known": ["+{c} {a} {x} {y}", "+{c}{a}{x}{y}", "00{c} {a} {x}{y}", "+{c}-{a}-{x}-{y}", "+{c} (0){a} {x} {y}"],
    "held_out": [
        "+{c} {a} {p} {q} {r} {p}",
        "00{c}{a}{x}{y}",
        "+{c} ({a}) {x}-{y}",
        "+{c}.{a}{x}{y}",
        "+{c}/{a}/{x}{y}",
        "00{c}-{a}-{x}{y}",
        "(+{c}) {a} {x} {y}",
    ],
}
KEYS: dict[str, dict[str, Draw]] = {
    "known": {
        "AWS access key": lambda rng: "AKIA" + letters(rng, 16, string.ascii_uppercase + "234567"),
        "GitHub": lambda rng: f"gh{rng.choice('pousr')}_" + letters(rng, 36, ALNUM),
        "GitLab": lambda rng: "glpat-" + letters(rng, 20, URL_SAFE[:-2]),
        "Slack": lambda rng: f"xox{rng.choice('bp')}-{digits(rng, 12)}-{digits(rng, 12)}-{letters(rng, 24, ALNUM)}",
        "Stripe": lambda rng: "sk_live_" + letters(rng, 24, ALNUM),
        "Google": lambda rng: "AIza" + letters(rng, 34, URL_SAFE) + letters(rng, 1, ALNUM),
        "OpenAI": lambda rng: "sk-" + letters(rng, 20, ALNUM) + "T3BlbkFJ" + letters(rng, 20, ALNUM),
        "Hugging Face": lambda rng: "hf_" + letters(rng, 34, string.ascii_letters),
        "JWT": lambda rng: "eyJ" + letters(rng, 33, ALNUM) + ".eyJ" + letters(rng, 60, URL_SAFE) + "." + letters(rng, 43, ALNUM),
    },
    "held_out": {
        "AWS temporary key": lambda rng: "ASIA" + letters(rng, 16, string.ascii_uppercase + "234567"),
        "GitHub fine-grained": lambda rng: "github_pat_" + letters(rng, 22, ALNUM) + "_" + letters(rng, 59, ALNUM),
        "Stripe restricted": lambda rng: "rk_test_" + letters(rng, 99, ALNUM),
        "OpenAI project": lambda rng: "sk-proj-" + letters(rng, 47, URL_SAFE) + letters(rng, 1, ALNUM),
        "Anthropic": lambda rng: "sk-ant-api03-" + letters(rng, 93, URL_SAFE) + "AA",
        "npm": lambda rng: "npm_" + letters(rng, 36, ALNUM),
        "SendGrid": lambda rng: "SG." + letters(rng, 22, ALNUM) + "." + letters(rng, 43, ALNUM),
        "Slack app": lambda rng: (
            f"xapp-1-A{letters(rng, 10, string.ascii_uppercase + string.digits)}-{digits(rng, 13)}-{letters(rng, 64, LOWER_HEX)}"
        ),
        "PyPI": lambda rng: "pypi-AgEIcHlwaS5vcmc" + letters(rng, 90, ALNUM),
        "DigitalOcean": lambda rng: "dop_v1_" + letters(rng, 64, LOWER_HEX),
    },
}
NAMED_SECRETS: dict[str, dict[str, Draw]] = {
    "known": {"hexadecimal": lambda rng: letters(rng, 32, LOWER_HEX), "letters and digits": lambda rng: letters(rng, 32, ALNUM)},
    "held_out": {
        "short": lambda rng: letters(rng, 20, ALNUM),
        "base64": lambda rng: letters(rng, 38, ALNUM + "+/") + "==",
        "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
    },
}
NAMED_SENTENCES = {
    "known": ['api_key = "{}"', "API_KEY={}", '{{"client_secret": "{}"}}', "Authorization: Bearer {}"],
    "held_out": [
        "export SECRET_KEY='{}'",
        "access-token: {}",
        'config["auth_token"] = "{}"',
        "  apiKey: '{}',",
        "https://api.example.net/v1/list?access_token={}",
    ],
}
SENTENCES = {
    "known": [
        "Please use {} from now on.",
        "It was {}, as far as we know.",
        "The form says {}.",
        "({})",
        "name: {}",
        "on Monday\t{}\tat noon",
    ],
    "held_out": [
        '"{}" was written on the back of the envelope',
        "* {} (old)",
        "first entry; {}; last entry",
        "<td>{}</td>",
        "See {}\nfor more.",
        "=> {} <=",
        "we got {}; nobody else did",
    ],
}
SENTENCES_OF: dict[tuple[str, str], list[str]] = {
    ("email", "known"): ["Write to {} today.", "<{}>", "mailto:{}"],
    ("email", "held_out"): ["Contact:{}", "From: Somebody <{}>", "anna,{},Berlin", "{}: any questions?"],
    ("phone", "known"): ["Call {} after six.", "Tel: {}", "phone {}"],
    ("phone", "held_out"): ["You can reach us at {} or in person.", "mobile={}", "Fax {}, room 12", "anna;{};Berlin"],
    ("card", "known"): ["Card number: {}", "paid with {} on Tuesday"],
    ("card", "held_out"): ["{} exp 11/27", "4 items, card {}, total 31.50", "anna,{},Berlin"],
    ("iban", "known"): ["IBAN {}", "transfer it to {} please"],
    ("iban", "held_out"): ["IBAN:{}", "account {} (savings)", "anna;{};Berlin"],
    ("ssn", "known"): ["SSN: {}", "social security number {}"],
    ("ssn", "held_out"): ["ssn={}", "born 1970, {}, married"],
    ("ipv4", "known"): ["server {} is down", "from {} port 22"],
    ("ipv4", "held_out"): ["http://{}/index.html", '{} - - [10/Oct/2020:13:55:36] "GET /"', "listen {}:8080"],
    ("ipv6", "known"): ["server {} is down"],
    ("ipv6", "held_out"): ["http://[{}]/index.html", "inet6 {}/64 scope global"],
    ("mac", "known"): ["device {} joined"],
    ("mac", "held_out"): ["ether {} txqueuelen 1000"],
}
GROUPS = {
    "known": [
        ("visa", (), ""),
        ("visa", (4, 4, 4), " "),
        ("mastercard", (4, 4, 4), "-"),
        ("mastercard", (), ""),
        ("amex", (4, 6), " "),
    ],
    "held_out": [
        ("visa", (4, 4, 4), "-"),
        ("amex", (), ""),
        ("discover", (4, 4, 4), " "),
        ("jcb", (), ""),
        ("diners", (4, 6), " "),
        ("diners", (), ""),
        ("unionpay", (4, 4, 4), " "),
        ("maestro", (), ""),
    ],
}


def drawers(style: str) -> Iterator[tuple[str, str, Draw]]:
    """Yield (kind, writing, how a value is drawn) of the style."""
    known = style == "known"
    for form in EMAILS[style]:
        yield "email", form, partial(email, form=form)
    for form in AMERICAN[style]:
        yield "phone", form, partial(american, form=form)
    for form in ABROAD[style]:
        yield "phone", form, partial(abroad, form=form)
    yield "ipv4", "dotted", address4
    yield "ipv6", "compressed" if known else "full", lambda rng: address6(rng, known)
    yield "mac", "colons" if known else "hyphens", lambda rng: mac(rng, ":" if known else "-", not known)
    for network, groups, by in GROUPS[style]:
        name = f"{network} by '{by}'" if groups else network
        yield "card", name, partial(card, network=network, groups=groups, by=by)
    countries = sorted(BBAN)[:: 2 if known else 1]
    yield "iban", "in a row", lambda rng: iban(rng, rng.choice(countries))
    yield "iban", "in groups", lambda rng: " ".join(_fours(iban(rng, rng.choice(countries))))
    for by in ("-",) if known else ("-", " "):
        yield "ssn", f"by '{by}'", partial(ssn, by=by)
    for name, draw in KEYS[style].items():
        yield "api_key", name, draw


def _fours(number: str) -> list[str]:
    return [number[at : at + 4] for at in range(0, len(number), 4)]


def faker_drawers() -> Iterator[tuple[str, str, Draw]]:
    """Yield the same by Faker, in the locales that it knows."""
    faker = importlib.import_module("faker")

    def of(locale: str, method: str, *arguments: str) -> Draw:
        fake = faker.Faker(locale)

        def draw(rng: random.Random) -> str:
            fake.seed_instance(rng.getrandbits(32))
            return str(getattr(fake, method)(*arguments))

        return draw

    for method in ("email", "company_email", "free_email", "ascii_safe_email"):
        yield "email", method, of("en_US", method)
    yield "phone", "basic_phone_number en_US", of("en_US", "basic_phone_number")
    yield "ipv4", "ipv4_public", of("en_US", "ipv4_public")
    yield "mac", "mac_address", of("en_US", "mac_address")
    for network in ("visa16", "mastercard", "amex", "discover", "jcb16", "diners", "visa19"):
        yield "card", network, of("en_US", "credit_card_number", network)
    for locale in ("de_DE", "en_GB", "fr_FR", "it_IT", "es_ES", "nl_NL", "pl_PL", "tr_TR", "fi_FI", "ro_RO"):
        yield "iban", locale, of(locale, "iban")
    yield "ssn", "ssn en_US", of("en_US", "ssn")


def plant(style: str, number: int, seed: int) -> Iterator[Planted]:
    """Yield `number` values of each writing and `number` decoys of each kind of decoy, each in a sentence drawn at random."""
    rng = random.Random(f"{style} {seed}")
    written_as = "known" if style == "known" else "held_out"
    rows = list(faker_drawers() if style == "faker" else drawers(style))
    for kind, writing, draw in rows:
        sentences = SENTENCES[written_as] + 2 * SENTENCES_OF.get((kind, written_as), [])
        for _ in range(number):
            yield _planted(rng, kind, writing, draw, rng.choice(sentences))
    if style != "faker":
        for writing, draw in NAMED_SECRETS[style].items():
            for _ in range(number):
                yield _planted(rng, "api_key", f"named, {writing}", draw, rng.choice(NAMED_SENTENCES[style]))
        for _ in range(number):
            yield _planted(
                rng,
                "ssn",
                "digits after its name",
                lambda rng: ssn(rng, ""),
                "SSN {}" if style == "known" else "social security no. {}",
            )
    for name, draw in DECOYS[written_as].items():
        for _ in range(number):
            sentence = rng.choice(DECOY_SENTENCES[written_as].get(name, SENTENCES[written_as]))
            yield Planted(name, name, True, value := draw(rng), sentence.format(value))


def _planted(rng: random.Random, kind: str, writing: str, draw: Callable[[random.Random], str], sentence: str) -> Planted:
    value = draw(rng)
    return Planted(kind, writing, False, value, sentence.format(value))


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--style", choices=["known", "held_out", "faker"], default="known")
    parser.add_argument("--number", type=int, default=200, help="of each writing and each kind of decoy")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with arguments.file.open("w", encoding="utf-8") as lines:
        for planted in plant(arguments.style, arguments.number, arguments.seed):
            lines.write(json.dumps(asdict(planted), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
