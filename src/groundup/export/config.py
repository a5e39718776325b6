"""The settings of an export."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.nn.config import FamilyName, GgufTypeName

FormatName = Literal["hf", "gguf"]


class ExportConfig(Config):
    """The shippable folder."""

    format: FormatName = Field(
        default="hf",
        description="hf: a Hugging Face folder; gguf: a file for llama.cpp ([gguf])",
    )
    family: FamilyName | None = Field(
        default=None, description="whose layout a Hugging Face folder has; null: the first family's that can hold the model"
    )
    gguf_type: GgufTypeName | None = Field(default=None, description="how numbers of a GGUF file are rounded; null: f16")
    verify: bool = Field(
        default=True,
        description="read back what was written and compare logits (hf: with transformers, which needs the extra [hf])",
    )
    tolerance: float = Field(default=1e-4, gt=0, description="largest |logit difference| that passes")
    licence: str = Field(
        default="unknown",
        pattern=r"^[a-z0-9][a-z0-9.+-]*$",
        description="licence you give the model: an identifier of the Hugging Face Hub, such as apache-2.0, for the model card",
    )

    @property
    def rounding(self) -> GgufTypeName:
        """How numbers of a GGUF file are rounded."""
        return self.gguf_type or "f16"

    def form(self) -> dict[str, str]:
        """Return what is written: the format, and the rounding where there is one."""
        if self.format == "gguf":
            return {"format": self.format, "gguf_type": self.rounding}
        return {"format": self.format} | ({} if self.family is None else {"family": self.family})

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        if self.gguf_type is not None and self.format != "gguf":
            raise ValueError(
                f"gguf_type={self.gguf_type} has no effect with format={self.format}; leave it out, or set format=gguf"
            )
        if self.family is not None and self.format != "hf":
            raise ValueError(f"family={self.family} has no effect with format={self.format}; leave it out, or set format=hf")
        return self
