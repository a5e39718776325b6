"""Make a checkpoint of groundup's from one of another tool."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import IMPORT_FILE, MODEL_CONFIG_FILE, WEIGHTS_FILE
from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE, SpecialNames
from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer, tokenizer_files
from groundup.core.errors import ConfigError, StorageError
from groundup.core.files import hash_file, storage_errors, write_bytes, write_json
from groundup.estimate.parameters import total_parameters
from groundup.hub.config import ImportConfig
from groundup.hub.sources import find_source, same_storage
from groundup.hub.verify import check_results
from groundup.nn.config import ModelConfig
from groundup.nn.load import model_of
from groundup.nn.threads import NUM_THREADS


def source_hashes(config: ImportConfig) -> dict[str, str]:
    """Return the hash of every file that the import reads."""
    source = find_source(Path(config.source))
    if config.tokenizer is not None and not Path(config.tokenizer).exists():
        raise ConfigError(f"--tokenizer {config.tokenizer}: no such file or folder")
    hashes = {file.name: hash_file(file) for file in source.files()}
    beside = source.tokenizer_files() if config.tokenizer is None else tokenizer_files(Path(config.tokenizer))
    return hashes | {f"tokenizer {file.name}": hash_file(file) for file in beside}


def run(config: ImportConfig, job: Job) -> Outcome:
    """Read the model and its tokenizer, see that it computes, and write it as a checkpoint with no step of training.

    Nothing is written before the model has passed.
    """
    source = find_source(Path(config.source))
    name = source.name()
    engine, special = source.tokenizer() if config.tokenizer is None else read_tokenizer(Path(config.tokenizer))
    model_config, weights = source.model()
    tokenizer = TextTokenizer(engine, special, config.tokenizer or config.source)
    _check_vocabulary(tokenizer, model_config, config)
    found: dict[str, Any] = {
        "format": name,
        "params": total_parameters(model_config),
        "verified": False,
        "max_logit_difference": None,
    }
    if config.verify:
        difference = check_results(source, model_of(model_config, weights), tokenizer, config.tolerance)
        found |= {"verified": True, "max_logit_difference": difference}
    write_checkpoint(job.out, model_config, weights, engine, special)
    write_json(job.out / IMPORT_FILE, found)
    counts = {"step": 0, "tokens": 0, "params": found["params"], NUM_THREADS: torch.get_num_threads()}
    return Outcome(counts=counts, volatile=frozenset({IMPORT_FILE}))


def write_checkpoint(out: Path, config: ModelConfig, weights: dict[str, Tensor], engine: Any, special: SpecialNames) -> None:
    """Write weights in the dtypes that they have, settings and tokenizer."""
    write_json(out / MODEL_CONFIG_FILE, config.model_dump(mode="json"))
    write_bytes(out / TOKENIZER_FILE, (engine.to_str(pretty=True) + "\n").encode())
    write_json(out / SPECIAL_TOKENS_FILE, special.model_dump(mode="json"))
    file = out / WEIGHTS_FILE
    try:
        with storage_errors(file):
            save_file(same_storage(weights), file)
            file.chmod((out / TOKENIZER_FILE).stat().st_mode)  # the library makes files for the owner alone
    except SafetensorError as error:
        raise StorageError(f"{file}: {error}; mend the cause and run the same command again") from None


def _check_vocabulary(tokenizer: TextTokenizer, model: ModelConfig, config: ImportConfig) -> None:
    if tokenizer.vocab_size > model.vocab_size:
        raise ConfigError(
            f"the tokenizer of {config.tokenizer or config.source} has {tokenizer.vocab_size:,} tokens, and the model has rows for "
            f"{model.vocab_size:,}: it belongs to another model; say --tokenizer FILE"
        )
