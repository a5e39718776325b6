"""The formats equal slow versions of their own and the tables of other libraries."""

import ipaddress
import itertools
import re

import phonenumbers
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from groundup.curate.privacy import KINDS
from groundup.curate.privacy.card import is_card
from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.iban import is_iban
from groundup.curate.privacy.signs import any_word

DIGITS = st.text(st.sampled_from("0123456789"), min_size=15, max_size=15)


def finds(kind: str, text: str, **settings) -> list[str]:
    finder = KINDS[kind].finder(RedactConfig(kinds=(kind,), **settings))
    return [text[start:end] for start, end in finder.find(text)]


def slow_luhn(number: str) -> bool:
    """Double every second digit from the right, add the digits of the products, look at the remainder by ten."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        product = int(digit) * (2 if place % 2 else 1)
        total += product // 10 + product % 10
    return total % 10 == 0


@given(DIGITS)
def test_one_check_digit_in_ten_makes_a_card(digits):
    number = "4" + digits[:14]
    right = [check for check in "0123456789" if is_card(number + check)]
    assert right == [check for check in "0123456789" if slow_luhn(number + check)]
    assert len(right) == 1


@given(DIGITS, st.integers(0, 14))
def test_no_card_with_two_different_neighbours_swapped(digits, place):
    """Luhn's check finds every swap of neighbours but 09 and 90."""
    number = "4" + digits[:14]
    number += next(check for check in "0123456789" if is_card(number + check))
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assume(number[place : place + 2] not in ("09", "90") and swapped != number and swapped[0] == "4")
    assert not finds("card", f"it is {swapped}.")
    assert finds("card", f"it is {number}.") == [number]


def slow_mod_97(number: str) -> int:
    """Take the remainder digit by digit, letters as two digits each."""
    remainder = 0
    for sign in number[4:] + number[:4]:
        for digit in str("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(sign.upper())):
            remainder = (remainder * 10 + int(digit)) % 97
    return remainder


@given(st.sampled_from(sorted(FACTS["iban_lengths"])), st.data())
def test_iban_of_every_country(country, data):
    length = FACTS["iban_lengths"][country] - 4
    account = data.draw(st.text(st.sampled_from("0123456789ABCXYZ"), min_size=length, max_size=length))
    check = 98 - slow_mod_97(f"{country}00{account}")
    number = f"{country}{check:02d}{account}"
    assert is_iban(number)
    grouped = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    for written in (number, grouped, number.lower()):
        assert finds("iban", f"to {written}, please") == [written]
    wrong = f"{country}{(check - 2 + 5) % 97 + 2:02d}{account}"
    assert not finds("iban", f"to {wrong}, please")


TOO_SHORT_IN_PRESIDIO = {"MU", "PS", "PT", "QA"}
"""Its patterns of these countries do not match the examples of the registry."""


def test_iban_lengths_are_those_of_presidio():
    from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country  # importing it takes seconds

    sign = re.compile(r"\(?\[(?:A-Z|0-9|a-zA-Z0-9|0)\](?:\{(\d+)\})?(?:\[ \]\?)?(?:\)\{(\d+)\})?")
    theirs = {
        country: 2 + sum(int(one or 1) * int(two or 1) for one, two in sign.findall(pattern))
        for country, pattern in regex_per_country.items()
        if country not in TOO_SHORT_IN_PRESIDIO
    }
    assert len(theirs) > 70
    assert theirs.items() <= FACTS["iban_lengths"].items()


def test_every_calling_code_of_phonenumbers_is_known():
    whole, of_three = FACTS["calling_codes"]["whole"], FACTS["calling_codes"]["of_three"]
    codes = set(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
    assert {code for code in codes if code < 100} == set(whole)
    assert {code // 10 for code in codes if code >= 100} <= set(of_three)


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_an_international_number_of_every_region_is_found(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE) or phonenumbers.example_number(
        region
    )
    for form in (phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
        written = phonenumbers.format_number(number, form)
        assert finds("phone", f"ask {written} today") == [written]


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast


EXCEPTIONS = [ipaddress.ip_network(name) for name in ("192.0.0.0/24", "2001::/23", "2002::/16", "3fff::/20", "2001:db8::/32")]
"""Where versions of Python differ on what is global."""


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("198.19.255.255"))
@example(ipaddress.IPv4Address("198.20.0.0"))
@example(ipaddress.IPv4Address("223.255.255.255"))
def test_public_ipv4_is_what_ipaddress_calls_global(address):
    assume(not any(address in network for network in EXCEPTIONS if network.version == 4))
    assert bool(finds("ipv4", f"the address {address} is")) == is_public(address)


@given(st.ip_addresses(v=6) | st.integers(0x2 << 124, (0x4 << 124) - 1).map(ipaddress.IPv6Address))
def test_public_ipv6_is_what_ipaddress_calls_global(address):
    assume(not any(address in network for network in EXCEPTIONS if network.version == 6))
    in_given_out = address in ipaddress.ip_network("2000::/3")
    for written in (address.compressed, address.exploded):
        assert bool(finds("ipv6", f"the address {written} is")) == (is_public(address) and in_given_out)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        *((address, "ipv4") for address in ("10.0.0.1", "192.168.1.77", "172.20.1.1", "192.0.2.9", "100.64.0.1")),
        *((address, "ipv6") for address in ("fe80::1:2", "fd00:1:2::3", "2001:db8::1")),
    ],
)
def test_private_addresses_if_asked_for(address, kind):
    assert finds(kind, f"host {address} up", private_addresses=True) == [address]
    assert not finds(kind, f"host {address} up")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "255.255.255.0", "224.0.0.1", "::1", "ff02::1"])
def test_addresses_of_nobody_stay_always(address):
    assert not [found for kind in ("ipv4", "ipv6") for found in finds(kind, f"host {address} up", private_addresses=True)]


def test_ranges_of_networks_are_apart():
    for version, names in itertools.product((4, 6), (("nobody",), ("nobody", "private"))):
        networks = [ipaddress.ip_network(network) for name in names for network in FACTS["networks"][name]]
        networks = [network for network in networks if network.version == version]
        assert not [pair for pair in itertools.combinations(networks, 2) if pair[0].overlaps(pair[1])]


@given(
    st.lists(st.text(st.sampled_from("aK_-x:z"), min_size=1, max_size=4), min_size=1, max_size=5),
    st.text(st.sampled_from("aK_-x:zb")),
)
def test_signs_tell_whether_a_word_is_there(words, text):
    assert any(sign(text) for sign in any_word(words)) == any(word in text for word in words)


@pytest.mark.parametrize("row", FACTS["key_shapes"], ids=lambda row: row["name"])
@given(data=st.data())
def test_every_shape_is_found_and_holds_its_sign(row, data):
    key = data.draw(st.from_regex(row["shape"].replace("(?=[A-Za-z_-]{0,120}[0-9])", "[0-9]{2}"), fullmatch=True))
    assert row["sign"] in key
    assert row["source"]
    assert any(key in found or found in key for found in finds("api_key", f"it is {key} ok"))
