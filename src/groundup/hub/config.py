"""The settings of an import."""

from pydantic import Field

from groundup.core.config import Config


class ImportConfig(Config):
    """A checkpoint of another tool, made one of groundup's."""

    source: str = Field(description="a Hugging Face folder, a GGUF file, or a llama2.c file")
    tokenizer: str | None = Field(default=None, description="file or folder of the tokenizer; null: the source's own")
    verify: bool = Field(
        default=True, description="compute with the model, and compare it with transformers where that can read it"
    )
    tolerance: float = Field(
        default=1e-4, gt=0, description="largest difference of a result that passes, relative to the largest result"
    )
