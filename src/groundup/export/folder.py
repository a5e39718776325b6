"""The files of a Hugging Face folder that hold the model."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer, read_engine
from groundup.core.errors import ConfigError, StorageError
from groundup.core.files import storage_errors, write_bytes, write_json
from groundup.export.target import Cargo
from groundup.nn.config import ModelConfig
from groundup.nn.formats import Format, Ids

WEIGHTS_FILE = "model.safetensors"
READERS = ("encoder", "encoder_decoder")
"""Shapes whose texts AutoTokenizer opens and ends by itself; names of special tokens in them are those tokens."""


def write_folder(out: Path, family: Format, cargo: Cargo) -> None:
    """Write weights, settings and tokenizer in the layout of the family; raise ConfigError if its padding is another token."""
    config, tokenizer, ids = cargo.model.config, cargo.tokenizer, role_ids(cargo.tokenizer)
    if family.padding is not None and ids.pad != family.padding:
        raise ConfigError(
            f"the {family.model_type} format takes token {family.padding} for padding wherever it stands, but this tokenizer's "
            f"padding is token {ids.pad}; leave export.family out"
        )
    generates = config.shape != "encoder"
    write_json(out / "config.json", family.write_config(config, ids) | ({"use_cache": True} if generates else {}))
    if generates:
        write_json(out / "generation_config.json", generation_config(config, tokenizer))
    write_json(out / "tokenizer_config.json", tokenizer_config(config, tokenizer))
    write_tokenizer(out / TOKENIZER_FILE, config, cargo.tokenizer_file, tokenizer)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in cargo.model.state_dict().items()}
    write_weights(out / WEIGHTS_FILE, family.to_theirs(tensors, config))


def write_weights(file: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file that all may read who may read its folder; raise StorageError if that fails."""
    try:
        with storage_errors(file):
            save_file(tensors, file, metadata={"format": "pt"})
            file.chmod((file.parent / TOKENIZER_FILE).stat().st_mode)  # the library makes files for the owner alone
    except SafetensorError as error:
        raise StorageError(f"{file}: {error}; mend the cause and run the same command again") from None


def role_ids(tokenizer: TextTokenizer) -> Ids:
    """Return the tokens that config.json names."""
    return Ids(
        bos=next(iter(tokenizer.before_ids), None),
        eos=tokenizer.eos_id,
        pad=tokenizer.pad_id if tokenizer.special.pad is not None else None,
        start=tokenizer.start_id,
    )


def generation_config(config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return the defaults of `generate`: until the document ends or the model's length is full."""
    ids = role_ids(tokenizer)
    start = {"decoder_start_token_id": ids.start} if config.shape == "encoder_decoder" else {}
    return {
        "bos_token_id": ids.bos,
        "eos_token_id": ids.eos,
        "pad_token_id": tokenizer.pad_id,
        **start,
        "max_length": config.max_seq_len,
    }


def tokenizer_config(config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return how `AutoTokenizer` is to read tokenizer.json so that its tokens are groundup's.

    For a decoder text that looks like a special token stays ordinary text. Whoever uses an encoder writes the mask into a text,
    and sentinels into the source of an encoder-decoder: there such names are the tokens.
    """
    special = tokenizer.special
    opening = next(iter(special.before), None)
    more = [*special.sentinels, *special.modes.values()]
    more += [special.fill.prefix, special.fill.suffix, special.fill.middle] if special.fill is not None else []
    more += special.chat.names() if special.chat is not None else []
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": special.eos,
        "bos_token": opening,
        "cls_token": opening if config.shape == "encoder" else None,
        "sep_token": special.sep,
        "mask_token": special.mask,
        "unk_token": special.unk,
        "pad_token": special.pad,
        **({"additional_special_tokens": more} if more else {}),
        "split_special_tokens": config.shape not in READERS,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": config.max_seq_len,
    }


def write_tokenizer(out: Path, config: ModelConfig, file: Path, tokenizer: TextTokenizer) -> None:
    """Write tokenizer.json: a decoder's byte for byte, others with what stands before and after the texts that they read."""
    if config.shape not in READERS:
        with storage_errors(file):
            write_bytes(out, file.read_bytes())
        return
    special = tokenizer.special
    engine = read_engine(file)
    named = [*special.before, *special.after]
    engine.post_processor = TemplateProcessing(
        single=[*special.before, "$A", *special.after],
        pair=[*special.before, "$A", *special.after, "$B:1", *(f"{name}:1" for name in special.after)],
        special_tokens=[(name, tokenizer.id_of(name)) for name in dict.fromkeys(named)],
    )
    write_bytes(out, (engine.to_str(pretty=True) + "\n").encode())
