"""What holds for every kind, whatever it finds."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.curate.config import CurateConfig
from groundup.curate.privacy import KINDS
from groundup.curate.privacy.config import DEFAULT_KINDS, KindName, RedactConfig
from groundup.curate.privacy.redactor import Redactor

SOURCE = {"name": "s", "path": "x"}


def test_table_and_literal_name_the_same_kinds():
    assert tuple(KINDS) == get_args(KindName)
    assert set(DEFAULT_KINDS) <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text())
def test_finds_are_ordered_and_apart(kind, text):
    ends = [0]
    names = {"person_names": ("ab", "0", "Ann Lee")} if kind == "person" else {}
    for start, end in KINDS[kind].finder(RedactConfig(kinds=(kind,), **names)).find(text):
        assert ends[-1] <= start < end <= len(text)
        ends.append(end)


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [(True, DEFAULT_KINDS), (False, ()), ({}, DEFAULT_KINDS), ({"kinds": ["ipv4"]}, ("ipv4",)), ({"kinds": []}, ())],
)
def test_a_switch_stands_for_kinds(setting, kinds):
    config = CurateConfig.parse({"sources": [SOURCE], "redact": setting}, "recipe.yaml")
    assert config.redact.kinds == kinds
    assert config.redact.is_on == bool(kinds)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"kinds": ["e-mail"]}, "'redact.kinds.0'"),
        ({"kinds": ["email", "email"]}, "the kind 'email' is named twice"),
        ({"kinds": ["email"], "private_addresses": True}, "private_addresses has no effect"),
        ({"kinds": ["person"]}, "list person_names, or name a spaCy pipeline in person_pipeline"),
        ({"person_names": ["Ann Lee"]}, "have no effect without the kind 'person'"),
        ({"person_pipeline": "x", "kinds": ["email"]}, "have no effect without the kind 'person'"),
        ({"kinds": ["person"], "person_names": ["Ann", " "]}, "a name is empty"),
        ({"kind": ["email"]}, "unknown key 'redact.kind'; did you mean 'kinds'?"),
        ("yes please", "'redact'"),
    ],
)
def test_impossible_settings_are_refused_with_the_reason(setting, said):
    with pytest.raises(ConfigError) as caught:
        CurateConfig.parse({"sources": [SOURCE], "redact": setting}, "recipe.yaml")
    assert said in str(caught.value)


def test_only_the_kinds_asked_for_are_replaced():
    text = "a@b.org from 93.184.216.34"
    assert Redactor(RedactConfig(kinds=("ipv4",))).redact(text)[0] == "a@b.org from <IPV4>"
    assert Redactor(RedactConfig(kinds=())).redact(text) == (text, [])
