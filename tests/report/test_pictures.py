"""The pictures for a README."""

import struct
from pathlib import Path

import pytest

from fake_run import make_run
from groundup.core.errors import ArtifactError
from groundup.report.pictures import HEIGHT, SCALE, WIDTH, write_pictures


def test_pictures_are_the_same_each_time_and_large(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo")
    first = write_pictures(run, tmp_path / "images" / "one")
    second = write_pictures(run, tmp_path / "images" / "two")
    assert [path.name for path in first] == ["demo.png", "demo-dark.png"]
    for one, two in zip(first, second, strict=True):
        data = one.read_bytes()
        assert data == two.read_bytes()
        assert struct.unpack(">II", data[16:24]) == (SCALE * WIDTH, SCALE * HEIGHT)


def test_a_run_without_a_result_has_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not trained and evaluated"):
        write_pictures(make_run(tmp_path / "demo", until="plan"), tmp_path)
