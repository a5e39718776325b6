"""The files of a Hugging Face folder that hold the model."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer
from groundup.core.errors import StorageError
from groundup.core.files import storage_errors, write_bytes, write_json
from groundup.nn.config import ModelConfig
from groundup.nn.huggingface import hf_config, rename
from groundup.nn.transformer import Transformer

WEIGHTS_FILE = "model.safetensors"


def write_folder(out: Path, model: Transformer, tokenizer_file: Path, tokenizer: TextTokenizer) -> None:
    """Write weights, settings and tokenizer in the Llama layout; raise ConfigError if that layout cannot hold the model."""
    eos_id = tokenizer.eos_id
    write_json(out / "config.json", hf_config(model.config, eos_id))
    write_json(out / "generation_config.json", generation_config(model.config, eos_id))
    write_json(out / "tokenizer_config.json", tokenizer_config(model.config, tokenizer))
    with storage_errors(tokenizer_file):
        write_bytes(out / TOKENIZER_FILE, tokenizer_file.read_bytes())
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in rename(model.state_dict()).items()}
    try:
        with storage_errors(out / WEIGHTS_FILE):
            save_file(tensors, out / WEIGHTS_FILE, metadata={"format": "pt"})
            (out / WEIGHTS_FILE).chmod((out / TOKENIZER_FILE).stat().st_mode)  # the library makes files for the owner alone
    except SafetensorError as error:
        raise StorageError(f"{out / WEIGHTS_FILE}: {error}; mend the cause and run the same command again") from None


def generation_config(config: ModelConfig, eos_id: int) -> dict[str, Any]:
    """Return the defaults of `generate`: until the document ends or the model's length is full."""
    return {"bos_token_id": eos_id, "eos_token_id": eos_id, "pad_token_id": eos_id, "max_length": config.max_seq_len}


def tokenizer_config(config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return how `AutoTokenizer` is to read tokenizer.json so that its tokens are groundup's.

    Text that looks like a special token stays ordinary text, and nothing is put before or after a text.
    """
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokenizer.special.eos,
        "bos_token": tokenizer.special.eos,
        "unk_token": None,
        "pad_token": None,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": config.max_seq_len,
    }
