"""The settings of turning documents into token shards."""

from pydantic import Field

from groundup.core.config import Config


class EncodeConfig(Config):
    """Tokens on disk."""

    batch_documents: int = Field(
        default=256, gt=0, description="documents encoded at a time; bounds memory, does not change the result"
    )
