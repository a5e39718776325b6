"""The settings of an export."""

from typing import Literal

from pydantic import Field

from groundup.core.config import Config


class ExportConfig(Config):
    """The shippable folder."""

    format: Literal["hf"] = "hf"
    verify: bool = Field(default=True, description="load the folder with transformers and compare logits (needs the extra [hf])")
    tolerance: float = Field(default=1e-4, gt=0, description="largest |logit difference| that passes")
