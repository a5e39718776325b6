"""The index of the shards, read as something that anybody may have written."""

import json
from pathlib import Path

import pytest

from builders import build
from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.token_shards import SHARDS, TokenShards
from groundup.core.config import Config
from groundup.core.errors import ConfigError


def shards(out: Path, **changes: object) -> TokenShards:
    counts = {"train": 0, "validation": 0}
    source = {"name": "own", "weight": 1.0, "tokens": counts, "bytes": counts, "documents": counts}
    info = {"dtype": "uint16", "vocab_size": 300, "eos_id": 0, "tokenizer_hash": "0", "sources": [source]}
    source |= {key: value for key, value in changes.items() if key in source}
    info |= {key: value for key, value in changes.items() if key in info}

    def write(config: Config, job: Job) -> Outcome:
        (job.out / SHARDS).write_text(json.dumps(info))
        return Outcome()

    return build(TokenShards, out, write)


def test_a_sound_index_is_read(tmp_path: Path) -> None:
    assert [source.name for source in shards(tmp_path / "encode").info.sources] == ["own"]


@pytest.mark.parametrize(
    ("key", "value"), [("name", "../../escape"), ("name", "/etc/passwd"), ("name", ".."), ("name", "a/b"), ("dtype", "object")]
)
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"shards\.json: '.*{key}'"):
        _ = shards(tmp_path / "encode", **{key: value}).info
