"""The tokenizer of a Hugging Face folder."""

from pathlib import Path
from typing import Any

from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE, SpecialNames
from groundup.artifacts.tokenizer import read_engine
from groundup.core.errors import ConfigError
from groundup.core.files import read_object


def read_tokenizer(path: Path) -> tuple[Any, SpecialNames]:
    """Return engine and roles of the tokenizer.json at `path` or in the folder."""
    folder, file = (path, path / "tokenizer.json") if path.is_dir() else (path.parent, path)
    engine = read_engine(file)
    if (folder / SPECIAL_TOKENS_FILE).is_file():  # groundup's own
        return engine, SpecialNames.from_file(folder / SPECIAL_TOKENS_FILE)
    said = read_object(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}

    def named(*roles: str) -> str | None:
        for role in roles:
            value = said.get(f"{role}_token")
            name = value.get("content") if isinstance(value, dict) else value
            if isinstance(name, str) and engine.token_to_id(name) is not None:
                return name
        return None

    opening, eos = named("cls", "bos", "eos"), named("eos", "sep")
    if eos is None:
        raise ConfigError(f"{file}: no tokenizer_config.json beside it names the token that ends a text; give --tokenizer FOLDER")
    names = {"eos": eos, "before": [opening] if opening else [], "pad": named("pad"), "unk": named("unk"), "mask": named("mask")}
    return engine, SpecialNames.parse(names, str(file))
