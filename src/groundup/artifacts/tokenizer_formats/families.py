"""The parts that special tokens play in the families of published models."""

import re
from collections.abc import Mapping
from typing import Final

from groundup.artifacts.special_tokens import FillNames, SpecialNames

_END, _BEGIN = "</s>", "<s>"
_TEXT_END = "<|endoftext|>"
_BERT = SpecialNames(eos="[SEP]", before=("[CLS]",), after=("[SEP]",), pad="[PAD]", unk="[UNK]", mask="[MASK]", sep="[SEP]")
_ROBERTA = SpecialNames(eos=_END, before=(_BEGIN,), after=(_END,), start=_END, pad="<pad>", unk="<unk>", mask="<mask>", sep=_END)
_BLOOM = SpecialNames(eos=_END, before=(_BEGIN,), pad="<pad>", unk="<unk>")
_LLAMA = SpecialNames(eos=_END, before=(_BEGIN,), unk="<unk>")
_T5 = SpecialNames(eos=_END, before=(), after=(_END,), start="<pad>", pad="<pad>", unk="<unk>")
_LLAMA3 = SpecialNames(eos="<|end_of_text|>", before=("<|begin_of_text|>",))
_GPT2 = SpecialNames(eos=_TEXT_END, before=(_TEXT_END,))

FAMILIES: Final[Mapping[str, SpecialNames]] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "bart": _ROBERTA,
    "bloom": _BLOOM,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "t5": _T5,
    "llama3": _LLAMA3,
    "gpt2": _GPT2,
    "gpt_neox": _GPT2,
    "opt": SpecialNames(eos=_END, before=(_END,), pad="<pad>"),
}
"""model_type -> parts. Where no config.json names one, the first whose tokens are all in the vocabulary is taken.

Sources: the papers' tokenizers as the library transformers writes them (Devlin et al. 2019, Liu et al. 2019, Lewis et al. 2020,
Raffel et al. 2020, Touvron et al. 2023, Radford et al. 2019, Zhang et al. 2022). Where a family puts nothing before a text
(GPT-2, BLOOM), what begins a document does.
"""

SENTINEL: Final = re.compile(r"<\|?extra_id_(\d{1,4})\|?>")
"""T5's sentinels, and our own."""
NUM_T5_SENTINELS: Final = 100
MODES: Final[Mapping[str, str]] = {"R": "[NLU]", "S": "[S2S]", "X": "[NLG]"}
"""The modes of UL2 (Tay et al. 2022)."""
FILLS: Final = (
    FillNames(prefix="<|fim_prefix|>", suffix="<|fim_suffix|>", middle="<|fim_middle|>"),
    FillNames(prefix="<fim_prefix>", suffix="<fim_suffix>", middle="<fim_middle>"),
    FillNames(prefix="▁<PRE>", suffix="▁<SUF>", middle="▁<MID>"),
)
"""The tokens for a middle to be filled in, of Qwen2 and ours, StarCoder, Code Llama."""


def find_family(model_type: str | None, vocabulary: Mapping[str, int]) -> SpecialNames | None:
    """Return the parts of the family; None if the vocabulary is none of these."""
    first = [FAMILIES[model_type]] if model_type is not None and model_type in FAMILIES else []
    return next((names for names in [*first, *FAMILIES.values()] if all(name in vocabulary for name in names.all())), None)
