"""A Hugging Face folder, read and held against what its config.json says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from groundup.core.config import nearest
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object
from groundup.nn.config import ModelConfig
from groundup.nn.formats import FORMATS, Format
from groundup.nn.tensors import read_tensors

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_AGAIN = "fetch the folder again"


def read_folder(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Return the model of a Hugging Face folder: its settings, and its weights under our names in the dtypes of the file.

    Raises ConfigError for a model that we cannot compute, ArtifactError that names file and tensor for damage, and for weights in
    any other form than safetensors: a pickle can run code when it is opened.
    """
    data = read_json(path / CONFIG_FILE)
    family = find_format(data, path)
    file = weights_file(path)
    try:
        config = family.read_config(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    tensors = read_tensors(file, _AGAIN) if file.name == WEIGHTS_FILE else read_shards(file)
    try:
        return config, family.to_ours(tensors, config)
    except ArtifactError as error:
        raise ArtifactError(f"{file}: {error}; {_AGAIN}") from None


def find_format(data: Mapping[str, Any], path: Path) -> Format:
    """Return the family that config.json names; ConfigError with the known ones if it is none of ours."""
    name = data.get("model_type")
    if not isinstance(name, str) or name not in FORMATS:
        hint = nearest(name, list(FORMATS)) if isinstance(name, str) else f"known: {', '.join(FORMATS)}"
        raise ConfigError(f"{path / CONFIG_FILE}: groundup reads no models of model_type={name!r}; {hint}")
    return FORMATS[name]


def weights_file(path: Path) -> Path:
    """Return the one file of the weights, or the index of several; ArtifactError if there is neither."""
    for name in (WEIGHTS_FILE, INDEX_FILE):
        if (path / name).is_file():
            return path / name
    pickles = sorted(file.name for pattern in PICKLES for file in path.glob(pattern))
    if pickles:
        raise ArtifactError(
            f"{path}: holds its weights as {pickles[0]}, a pickle, which can run code when opened; groundup reads safetensors "
            "only. Where you trust its maker, with transformers: AutoModel.from_pretrained(folder).save_pretrained(other)"
        )
    raise ArtifactError(f"{path}: holds neither {WEIGHTS_FILE} nor {INDEX_FILE}; {_AGAIN}")


def weight_files(path: Path) -> tuple[Path, ...]:
    """Return the file of the weights, or the index and every file that it names; ArtifactError if one is missing or elsewhere."""
    file = weights_file(path)
    return (file,) if file.name == WEIGHTS_FILE else (file, *(path / name for name in sorted(set(read_index(file).values()))))


def read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in the file; ArtifactError if it is missing, vast or none."""
    if not file.is_file():
        raise ArtifactError(f"{file}: missing; give a folder of Hugging Face with {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        return read_object(file)
    except ArtifactError:
        raise ArtifactError(f"{file}: no JSON object, or a vast one; {_AGAIN}") from None


def read_index(index: Path) -> dict[str, str]:
    """Return the file of each tensor; ArtifactError if one is missing, or no plain name inside the index's folder."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise ArtifactError(f"{index}: 'weight_map' should name the file of each tensor; {_AGAIN}")
    for name in sorted(set(places.values())):
        if name != Path(name).name or name in ("", ".", "..") or "\\" in name or "\0" in name:
            raise ArtifactError(f"{index}: names the file {name!r}, which is not a plain name inside the folder; it is not read")
        if not (index.parent / name).is_file():
            raise ArtifactError(f"{index.parent / name}: missing, though {index.name} names it; {_AGAIN}")
    return places


def read_shards(index: Path) -> dict[str, Tensor]:
    """Return the tensors of all files that the index names.

    Raises ArtifactError if a file is missing, elsewhere or damaged, or holds other tensors than the index says.
    """
    places = read_index(index)
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        held, said = read_tensors(index.parent / name, _AGAIN), {tensor for tensor, file in places.items() if file == name}
        if held.keys() != said:
            wrong = min(held.keys() ^ said)
            fault = "is missing" if wrong in said else f"is not among those that {index.name} says are there"
            raise ArtifactError(f"{index.parent / name}: tensor '{wrong}' {fault}; {_AGAIN}")
        tensors |= held
    return tensors
