"""What a band is made of."""

from pydantic import Field

from groundup.core.config import Config


class BandConfig(Config):
    """Which run the band is of, and the ladder that it comes from."""

    ladder: str = Field(description="folder that 'groundup scaling sweep' made")
    params: int = Field(gt=0, description="parameters of the run, embeddings included")
    tokens: int = Field(gt=0, description="tokens of the whole run")
    flops: float = Field(gt=0, description="FLOPs of the whole run")
