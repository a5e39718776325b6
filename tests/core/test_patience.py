import pytest

from groundup.core.errors import StorageError
from groundup.core.patience import patiently


@pytest.mark.parametrize(("failures", "pauses"), [(0, []), (1, [1]), (4, [1, 2, 4, 8]), (8, [1, 2, 4, 8, 16, 32, 60, 60])])
def test_tries_again_after_longer_and_longer_pauses(failures: int, pauses: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    left, slept = [None] * failures, []

    def action() -> str:
        if left:
            left.pop()
            raise StorageError("disk full; free some space")
        return "done"

    assert patiently(action, 1000, slept.append) == "done"
    assert slept == pauses
    assert capsys.readouterr().err.count("free some space") == failures


@pytest.mark.parametrize(("patience_s", "pauses"), [(0, []), (0.5, []), (1, [1]), (7, [1, 2, 4]), (8, [1, 2, 4])])
def test_patience_ends(patience_s: float, pauses: list[int]) -> None:
    slept: list[float] = []

    def action() -> None:
        raise StorageError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        patiently(action, patience_s, slept.append)
    assert slept == pauses
    assert sum(slept) <= patience_s
