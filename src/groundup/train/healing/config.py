"""The settings of healing."""

from pydantic import Field

from groundup.core.config import Config


class HealingConfig(Config):
    """What a spike is, and what is done about it, in this order: skip, slow down, roll back, stop."""

    enabled: bool = Field(default=True, description="false: any loss is learned from, and one that is no number ends the run")
    window: int = Field(
        default=64, ge=16, description="steps that a new one is compared with; before, only NaN and infinity are spikes"
    )
    loss_threshold: float = Field(default=8.0, gt=0, description="spike: loss that many robust standard deviations from the usual")
    drift_threshold: float = Field(default=3.0, gt=0, description="the same of the median of the last 8 losses, upwards only")
    loss_floor: float = Field(default=0.015, gt=0, description="least standard deviation of the loss, as a share of its median")
    grad_threshold: float = Field(default=16.0, gt=0, description="the same of the logarithm of the gradient norm, upwards only")
    grad_floor: float = Field(default=0.3, gt=0, description="least standard deviation of that logarithm")
    update_threshold: float = Field(
        default=10.0, gt=1, description="spike: an update that moved the weights so many times as far as usual; it is taken back"
    )
    skips: int = Field(default=8, ge=0, description="spiking batches in a row that are passed over before the run goes back")
    slows: int = Field(
        default=2, ge=0, description="times that spikes which come back lower the learning rate before the run goes back"
    )
    slow_factor: float = Field(default=0.1, gt=0, lt=1, description="what the learning rate is multiplied by each time")
    calm_steps: int = Field(default=32, gt=0, description="steps after the last spike until the trouble is over")
    rollbacks: int = Field(default=6, ge=0, description="times that the run goes back in one trouble before it stops")
