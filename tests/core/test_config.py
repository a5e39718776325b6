import pytest

from groundup.core.config import Config, nearest
from groundup.core.errors import ConfigError


class Inner(Config):
    width: int = 1


class Outer(Config):
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    name: str


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "a", "iner": {}}, ["unknown key 'iner'", "did you mean 'inner'"]),
        ({"name": "a", "inner": {"widht": 2}}, ["unknown key 'inner.widht'", "did you mean 'width'"]),
        ({"name": "a", "many": [{"width": 1}, {"widht": 2}]}, ["unknown key 'many.1.widht'", "did you mean 'width'"]),
        ({"name": "a", "maybe": {"wdth": 2}}, ["unknown key 'maybe.wdth'", "did you mean 'width'"]),
        ({}, ["'name' is required"]),
        ({"name": "a", "inner": {"width": "x"}}, ["'inner.width'", "got 'x'"]),
    ],
)
def test_errors_name_key_and_way_out(data: dict, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Outer.parse(data, "file.yaml")
    for word in ["file.yaml", *words]:
        assert word in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Outer.parse({"inner": {"widht": 1}, "x": 1}, "f")
    assert len(str(caught.value).splitlines()) == 3


def test_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Inner().width = 2  # type: ignore[misc]


def test_nearest_lists_all_when_nothing_is_close() -> None:
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
