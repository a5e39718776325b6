"""The settings of an export."""

from typing import Literal

from pydantic import Field

from groundup.core.config import Config


class ExportConfig(Config):
    """The shippable folder."""

    format: Literal["hf"] = Field(default="hf", description="a Hugging Face folder, in the first layout that can hold the model")
    verify: bool = Field(default=True, description="load the folder with transformers and compare logits (needs the extra [hf])")
    tolerance: float = Field(default=1e-4, gt=0, description="largest |logit difference| that passes")
    licence: str = Field(
        default="unknown",
        pattern=r"^[a-z0-9][a-z0-9.+-]*$",
        description="licence you give the model: an identifier of the Hugging Face Hub, such as apache-2.0, for the model card",
    )
