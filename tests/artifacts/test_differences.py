"""What differs is named by key, with both values."""

from groundup.artifacts.differences import SHOWN, differences

MADE_FROM = {"config": {"a": {"b": 1, "c": True}, "d": None}, "seed": 0, "inputs": {"encode": "1"}, "sources": {"books": "2"}}


def test_nothing_differs() -> None:
    assert differences("pretrain", MADE_FROM, MADE_FROM) == ""


def test_settings_seed_inputs_and_sources() -> None:
    other = {"config": {"a": {"b": 2, "c": False}, "d": [1]}, "seed": 3, "inputs": {"encode": "x"}, "sources": {}}
    assert differences("pretrain", MADE_FROM, other) == (
        "pretrain.a.b 1 there, 2 here; pretrain.a.c true there, false here; pretrain.d null there, [1] here; "
        "seed 0 there, 3 here; another input 'encode'; another source 'books'"
    )


def test_long_values_and_many_differences_are_cut() -> None:
    here = {**MADE_FROM, "config": {**{f"k{i}": i for i in range(20)}, "a": {"b": "y" * 500, "c": True}}}
    words = differences("plan", MADE_FROM, here)
    assert "yyy... here" in words
    assert len(words) < 400
    assert words.endswith(f"; {21 - SHOWN} more")
