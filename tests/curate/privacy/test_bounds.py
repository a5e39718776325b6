"""No expression that runs over a whole text repeats without bound but possessively: time is in proportion to the text."""

import re
from re import _constants, _parser

import pytest

from groundup.curate.privacy import card, digits, iban, ip, keys, mac, mail, phone, signs, ssn
from groundup.curate.privacy.facts import FACTS

OVER_PIECES = {"_LABEL", "_VERB", "_NAME", "_OTHER_NUMBER", "_VERSION_WORD", "_ADDRESS_WORD", "_GROUP_BEFORE"}
"""These see at most 60 characters before a find."""
AT_ONE_PLACE = {"_VERSION_AFTER", "_ADDRESS_AFTER", "_VERB_SHAPE", "_NO_DIGIT", "_HEXADECIMAL", "_LOCAL_BACKWARDS"}
"""These are matched at a find, or over a find, once."""


def all_expressions() -> dict[str, str]:
    found = {}
    for module in (card, digits, iban, ip, keys, mac, mail, phone, signs, ssn):
        for name, value in vars(module).items():
            for number, one in enumerate(value if isinstance(value, tuple) else (value,)):
                pattern = getattr(one, "__self__", one)
                if isinstance(pattern, re.Pattern) and name not in OVER_PIECES | AT_ONE_PLACE:
                    found[f"{module.__name__.rsplit('.', 1)[1]}.{name}.{number}"] = pattern.pattern
    return found | {row["name"]: row["shape"] for row in FACTS["key_shapes"]}


def unbounded(parsed) -> bool:
    """Return whether a repeat that can give back has no upper bound."""
    for operation, argument in parsed:
        if operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[1] is _constants.MAXREPEAT:
            return True
        for part in argument if isinstance(argument, tuple) else (argument,):
            for inner in part if isinstance(part, list) else (part,):
                if isinstance(inner, _parser.SubPattern) and unbounded(inner):
                    return True
    return False


def test_the_search_sees_unbounded_repeats():
    assert unbounded(_parser.parse("a(?:b|c*)d"))
    assert unbounded(_parser.parse("(?=a+?)b"))
    assert not unbounded(_parser.parse("a{1,9}b*+(?:c|d++)"))


@pytest.mark.parametrize(("name", "expression"), sorted(all_expressions().items()))
def test_repeats_are_bounded(name, expression):
    assert not unbounded(_parser.parse(expression)), name
