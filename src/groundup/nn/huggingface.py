"""The Llama layout of Hugging Face: names of settings and tensors."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from groundup.nn.config import ModelConfig, check_llama_layout
from groundup.nn.formats import FORMATS, Ids

LLAMA_NAMES = {
    "embedding.weight": "model.embed_tokens.weight",
    "decoder.norm.weight": "model.norm.weight",
    "head.output.weight": "lm_head.weight",
    "decoder.blocks.N.residual.norms.0.weight": "model.layers.N.input_layernorm.weight",
    "decoder.blocks.N.attention.query.weight": "model.layers.N.self_attn.q_proj.weight",
    "decoder.blocks.N.attention.key.weight": "model.layers.N.self_attn.k_proj.weight",
    "decoder.blocks.N.attention.value.weight": "model.layers.N.self_attn.v_proj.weight",
    "decoder.blocks.N.attention.output.weight": "model.layers.N.self_attn.o_proj.weight",
    "decoder.blocks.N.residual.norms.1.weight": "model.layers.N.post_attention_layernorm.weight",
    "decoder.blocks.N.feed_forward.gate.weight": "model.layers.N.mlp.gate_proj.weight",
    "decoder.blocks.N.feed_forward.up.weight": "model.layers.N.mlp.up_proj.weight",
    "decoder.blocks.N.feed_forward.down.weight": "model.layers.N.mlp.down_proj.weight",
}
"""Our tensor name -> theirs; N is the number of the block. Every tensor has the same shape in both."""


def rename(weights: Mapping[str, Tensor], names: Mapping[str, str] = LLAMA_NAMES) -> dict[str, Tensor]:
    """Return the tensors under the names that `names` gives them; KeyError if one has none."""
    renamed = {}
    for name, tensor in weights.items():
        number = re.search(r"\.(\d+)\.", name)
        pattern = re.sub(r"\.\d+\.", ".N.", name, count=1)
        renamed[names[pattern].replace(".N.", f".{number[1]}." if number else ".N.")] = tensor
    return renamed


def hf_config(config: ModelConfig, eos_id: int | None = None) -> dict[str, Any]:
    """Return the config.json of the model in the Llama layout; raise ConfigError if that layout cannot hold it."""
    check_llama_layout(config)
    # one token parts documents: it ends one, so the next starts after it
    return FORMATS["llama"].write_config(config, Ids(bos=eos_id, eos=eos_id)) | {"use_cache": True}
