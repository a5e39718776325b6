"""Numbers with check digits, drawn from the structure that their specification gives."""

import random
from collections.abc import Callable

from identities import iban_check, luhn_digit

__all__ = ["BBAN", "ISSUERS", "Draw", "digits", "iban", "letters", "luhn_digit"]

Draw = Callable[[random.Random], str]

ISSUERS: dict[str, list[tuple[int, int, int]]] = {
    "visa": [(4, 4, 16)],
    "mastercard": [(51, 55, 16), (2221, 2720, 16)],
    "amex": [(34, 34, 15), (37, 37, 15)],
    "discover": [(6011, 6011, 16), (644, 649, 16), (65, 65, 16)],
    "jcb": [(3528, 3589, 16)],
    "diners": [(300, 305, 14), (36, 36, 14), (38, 39, 14)],
    "unionpay": [(62, 62, 16)],
    "maestro": [(5018, 5018, 16), (6304, 6304, 16), (6759, 6759, 16)],
}
"""Network -> lowest and highest first digits, and length (ISO/IEC 7812-1; the networks' own pages)."""

BBAN: dict[str, str] = {
    "AT": "16n", "BE": "12n", "BG": "4a6n8c", "BR": "23n1a1c", "CH": "5n12c", "CY": "8n16c", "CZ": "20n", "DE": "18n",
    "DK": "14n", "EE": "16n", "ES": "20n", "FI": "14n", "FR": "10n11c2n", "GB": "4a14n", "GI": "4a15c", "GR": "7n16c",
    "HR": "17n", "HU": "24n", "IE": "4a14n", "IL": "19n", "IS": "22n", "IT": "1a10n12c", "LT": "16n", "LU": "3n13c",
    "LV": "4a13c", "MT": "4a5n18c", "NL": "4a10n", "NO": "11n", "PL": "24n", "PT": "21n", "RO": "4a16c", "SA": "2n18c",
    "SE": "20n", "SI": "15n", "SK": "20n", "TR": "6n16c", "UA": "6n19c",
}  # fmt: skip
"""Country -> structure after the check digits: n digits, a capitals, c both (SWIFT, IBAN Registry)."""


def digits(rng: random.Random, number: int, alphabet: str = "0123456789") -> str:
    """Return so many digits."""
    return "".join(rng.choices(alphabet, k=number))


def letters(rng: random.Random, number: int, alphabet: str) -> str:
    """Return so many letters of the alphabet."""
    return "".join(rng.choices(alphabet, k=number))


def iban(rng: random.Random, country: str) -> str:
    """Return a number of the country in a row, with right check digits."""
    account, size = "", ""
    for sign in BBAN[country]:
        if sign.isdigit():
            size += sign
            continue
        alphabet = {"n": "0123456789", "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "c": "0123456789" * 3 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}[
            sign
        ]
        account += letters(rng, int(size), alphabet)
        size = ""
    return f"{country}{iban_check(country, account)}{account}"
