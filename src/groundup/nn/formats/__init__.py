"""Models of other tools: their settings and tensors as ours, and ours as theirs."""

from typing import Final

from groundup.core.errors import ConfigError
from groundup.nn.config import FamilyName, ModelConfig
from groundup.nn.formats.bart import Bart
from groundup.nn.formats.base import Format, Ids
from groundup.nn.formats.bert import Bert, Roberta, RoFormer
from groundup.nn.formats.bloom import Bloom
from groundup.nn.formats.gpt2 import Gpt2
from groundup.nn.formats.gpt_neox import GptNeoX
from groundup.nn.formats.llama import Llama, Mistral, Qwen3
from groundup.nn.formats.opt import Opt
from groundup.nn.formats.t5 import T5

FORMATS: Final[dict[FamilyName, Format]] = {
    "llama": Llama(),
    "mistral": Mistral(),
    "qwen3": Qwen3(),
    "gpt2": Gpt2(),
    "bloom": Bloom(),
    "gpt_neox": GptNeoX(),
    "opt": Opt(),
    "bert": Bert(),
    "roberta": Roberta(),
    "roformer": RoFormer(),
    "t5": T5(),
    "bart": Bart(),
}
"""config.json's model_type -> the family; of several that can hold a model the first is taken."""


def format_for(config: ModelConfig, wanted: FamilyName | None = None) -> Format:
    """Return the wanted family, or the first that can hold the model; ConfigError with what keeps it out."""
    misfits = {name: family.misfits(config) for name, family in FORMATS.items()}
    if wanted is not None:
        if misfits[wanted]:
            raise ConfigError(
                f"the {wanted} format cannot hold this model: {'; '.join(misfits[wanted])}. Leave export.family out: then it is "
                "the first that can"
            )
        return FORMATS[wanted]
    for name, family in FORMATS.items():
        if not misfits[name]:
            return family
    nearest = sorted(misfits, key=lambda name: len(misfits[name]))[:3]
    said = "".join(f"\n  {name}: {'; '.join(misfits[name])}" for name in nearest)
    raise ConfigError(
        f"no format of Hugging Face can hold this model. What keeps it out of the nearest:{said}\n"
        "Change those settings, or stop before the export: --until evaluate"
    )


__all__ = ["FORMATS", "Format", "Ids", "format_for"]
