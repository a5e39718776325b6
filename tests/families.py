"""Small models of `transformers` with weights drawn at random, for the comparison with ours."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from groundup.nn.formats.folder import read_folder
from groundup.nn.transformer import Inputs, Transformer, build_model

VOCAB = 97
PAD = 1
"""RoBERTa's padding: it counts positions over the other tokens."""
LENGTH = 48
SPREAD = 0.12
"""Standard deviation of all weights: logits are then of order 1, and every tensor counts."""
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
SIZES = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 56}
GPT2 = {"vocab_size": VOCAB, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 56, "n_positions": LENGTH}
BLOOM = {"vocab_size": VOCAB, "hidden_size": 32, "n_layer": 3, "seq_length": LENGTH}
T5 = {"vocab_size": VOCAB, "d_model": 32, "d_kv": 6, "d_ff": 56, "num_layers": 3, "num_heads": 4}
V11 = {"num_layers": 2, "num_decoder_layers": 3, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
BART = {
    "vocab_size": VOCAB,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 56,
    "decoder_ffn_dim": 56,
    "max_position_embeddings": LENGTH,
}


@dataclass(frozen=True)
class Family:
    """One architecture of theirs."""

    model: str
    """Name of the class."""
    settings: dict[str, Any]
    shape: str = "decoder"
    takes_positions: bool = False
    """Whether padding on the left needs positions to be given."""
    counts_padding: bool = False
    """Whether padding on the left moves the real tokens, however the model is called."""

    def build(self, seed: int = 0) -> Any:
        model_class = getattr(transformers, self.model)
        model = model_class(model_class.config_class(**self.settings)).eval()
        if self.settings.get("tie_word_embeddings") is False:  # version 5 of transformers ties T5's all the same
            model.lm_head.weight = nn.Parameter(torch.empty(VOCAB, 32))
        stir(model, seed)
        return model


def rope(**scaling: Any) -> dict[str, Any]:
    return {"max_position_embeddings": LENGTH, "rope_parameters": ROPE | scaling}


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
MASKED = {"max_position_embeddings": LENGTH, "pad_token_id": PAD}
FAMILIES: dict[str, Family] = {
    "GPT-2": Family("GPT2LMHeadModel", GPT2, takes_positions=True),
    "GPT-2, untied, exact GELU": Family(
        "GPT2LMHeadModel", GPT2 | {"tie_word_embeddings": False, "activation_function": "gelu"}, takes_positions=True
    ),
    "Llama, grouped heads": Family("LlamaForCausalLM", SIZES | rope() | {"num_key_value_heads": 2}),
    "Llama, tied, biases": Family(
        "LlamaForCausalLM", SIZES | rope() | {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}
    ),
    "Llama 3, scaled rotary": Family("LlamaForCausalLM", SIZES | rope(**LLAMA3)),
    "Llama, linear scaling": Family("LlamaForCausalLM", SIZES | rope(rope_type="linear", factor=2.0)),
    "Llama, YaRN": Family(
        "LlamaForCausalLM", SIZES | rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16) | {"head_dim": 16}
    ),
    "Mistral, sliding window": Family("MistralForCausalLM", SIZES | rope() | {"num_key_value_heads": 2, "sliding_window": 5}),
    "Mistral, no window": Family("MistralForCausalLM", SIZES | rope() | {"num_key_value_heads": 1, "sliding_window": None}),
    "Qwen3": Family("Qwen3ForCausalLM", SIZES | rope() | {"num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": False}),
    "Qwen3, wide heads, tied": Family(
        "Qwen3ForCausalLM", SIZES | rope() | {"num_key_value_heads": 4, "head_dim": 16, "tie_word_embeddings": True}
    ),
    "BLOOM": Family("BloomForCausalLM", BLOOM | {"n_head": 4}),
    "BLOOM, 6 heads": Family("BloomForCausalLM", BLOOM | {"hidden_size": 48, "n_head": 6}),
    "GPT-NeoX (Pythia)": Family("GPTNeoXForCausalLM", SIZES | rope(partial_rotary_factor=0.25) | {"use_parallel_residual": True}),
    "GPT-NeoX, one part after the other": Family(
        "GPTNeoXForCausalLM", SIZES | rope(partial_rotary_factor=0.5) | {"use_parallel_residual": False}
    ),
    "OPT": Family(
        "OPTForCausalLM",
        {"ffn_dim": 56, "max_position_embeddings": LENGTH, "pad_token_id": PAD}
        | {key: value for key, value in SIZES.items() if key != "intermediate_size"},
    ),
    "BERT": Family("BertForMaskedLM", SIZES | MASKED, "encoder", takes_positions=True),
    "RoBERTa": Family(
        "RobertaForMaskedLM",
        SIZES | MASKED | {"max_position_embeddings": LENGTH + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
        "encoder",
    ),
    "RoFormer": Family("RoFormerForMaskedLM", SIZES | MASKED | {"embedding_size": SIZES["hidden_size"]}, "encoder"),
    "T5 v1.0": Family("T5ForConditionalGeneration", T5, "encoder_decoder"),
    "T5 v1.1": Family("T5ForConditionalGeneration", T5 | V11, "encoder_decoder"),
    "BART": Family("BartForConditionalGeneration", BART, "encoder_decoder", counts_padding=True),
    "BART, scaled embeddings": Family(
        "BartForConditionalGeneration", BART | {"scale_embedding": True}, "encoder_decoder", counts_padding=True
    ),
}
PADDINGS = ("none", "right", "left")


def stir(model: nn.Module, seed: int = 0) -> None:
    """Draw every weight anew, norms about 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.requires_grad:
                continue  # a table of constants
            drawn = torch.randn(parameter.shape, generator=generator) * SPREAD
            is_norm = parameter.ndim == 1 and bool(parameter.mean() > 0.5)
            parameter.copy_(drawn + 1 if is_norm else drawn)


def import_ours(theirs: Any, folder: Path) -> Transformer:
    """Return our model of what `theirs` saves."""
    theirs.save_pretrained(folder)
    config, weights = read_folder(folder)
    ours = build_model(config)
    ours.load_state_dict(weights)
    return ours.eval()


def some_tokens(rows: int, length: int, seed: int) -> Tensor:
    return torch.randint(2, VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def mask_of(padding: str, rows: int, length: int) -> Tensor | None:
    """Return which tokens are real, or None for all: the second row is shorter by 5."""
    if padding == "none":
        return None
    mask = torch.ones(rows, length, dtype=torch.long)
    mask[1, slice(0, 5) if padding == "left" else slice(length - 5, length)] = 0
    return mask


@dataclass(frozen=True)
class Batch:
    """The same tokens for both; padding is real nowhere."""

    tokens: Tensor
    mask: Tensor | None
    source: Tensor | None = None
    source_mask: Tensor | None = None

    @property
    def real(self) -> Tensor:
        return torch.ones_like(self.tokens, dtype=torch.bool) if self.mask is None else self.mask.bool()

    def ours(self) -> Inputs:
        source = None if self.source is None else Inputs(self.source, self.source_mask)
        return Inputs(self.tokens, self.mask, source=source)

    def theirs(self, family: Family) -> dict[str, Any]:
        if self.source is not None:
            given = {"input_ids": self.source, "decoder_input_ids": self.tokens}
            masks = {"attention_mask": self.source_mask, "decoder_attention_mask": self.mask}
            return given | {key: mask for key, mask in masks.items() if mask is not None}
        given = {"input_ids": self.tokens}
        if self.mask is not None:
            given["attention_mask"] = self.mask
            if family.takes_positions:
                given["position_ids"] = (self.mask.cumsum(1) - 1).clamp(min=0)
        return given


def batch_for(family: Family, padding: str, length: int = 23) -> Batch:
    """Return two rows of an odd length."""
    tokens, mask = some_tokens(2, length, 1), mask_of(padding, 2, length)
    tokens = tokens if mask is None else tokens.where(mask.bool(), PAD)
    if family.shape != "encoder_decoder":
        return Batch(tokens, mask)
    source, source_mask = some_tokens(2, length + 8, 2), mask_of(padding, 2, length + 8)
    source = source if source_mask is None else source.where(source_mask.bool(), PAD)
    return Batch(tokens, mask, source, source_mask)


def their_logits(family: Family, theirs: Any, batch: Batch) -> Tensor:
    """Return the logits of the real tokens [real, vocab]; where padding would move them, each row goes without it."""
    if not family.counts_padding or batch.mask is None:
        logits: Tensor = theirs(**batch.theirs(family)).logits
        return logits[batch.real]
    found = []
    for row, tokens in enumerate(batch.tokens):
        assert batch.source is not None
        assert batch.source_mask is not None
        source = batch.source[row][batch.source_mask[row].bool()]
        alone = tokens[batch.mask[row].bool()]
        found.append(theirs(input_ids=source[None], decoder_input_ids=alone[None]).logits[0])
    return torch.cat(found)


def max_difference(family: Family, theirs: Any, ours: Transformer, padding: str) -> float:
    """Return the largest |logit difference| on real tokens."""
    batch = batch_for(family, padding)
    with torch.inference_mode():
        mine, wanted = ours(batch.ours())[batch.real], their_logits(family, theirs, batch)
    return float((mine - wanted).abs().max())
