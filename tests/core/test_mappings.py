"""YAML files that a user writes are refused with the place and the way out."""

from pathlib import Path

import pytest

from groundup.core.errors import ConfigError
from groundup.core.mappings import read_mapping


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"a: [", "not valid YAML"), (b"\xff", "not UTF-8"), (b"- 1", "a task is a mapping"), (b"#" * (1 << 21), "not a task")],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, raw: bytes, says: str) -> None:
    file = tmp_path / "task.yaml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=says):
        read_mapping(file, "a task")


def test_a_mapping_is_read(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("a: {b: 1}")
    assert read_mapping(tmp_path / "task.yaml", "a task") == {"a": {"b": 1}}
