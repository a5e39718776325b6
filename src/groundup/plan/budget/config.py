"""What is asked of `plan budget`."""

from pathlib import Path

from pydantic import Field

from groundup.core.config import Config


class BudgetQuestion(Config):
    """A budget in one of several units, what is known beside it, and how to answer."""

    flops: float | None = Field(default=None, gt=0, description="training compute, 6 N D [FLOPs]")
    pf_days: float | None = Field(default=None, gt=0, description="the same in units of 8.64e19 FLOPs")
    device_hours: float | None = Field(default=None, gt=0, description="hours of one device, all devices together")
    money: float | None = Field(default=None, gt=0, description="in the unit of price_per_hour")
    params: float | None = Field(default=None, gt=0, description="size that is wished: with a budget its tokens, alone its budget")
    tokens: float | None = Field(
        default=None, gt=0, description="tokens that are wished: with a budget their size, alone their budget"
    )
    hardware: str | None = Field(default=None, description="device of 'groundup plan hardware'")
    devices: int | None = Field(default=None, gt=0, description="how many there are")
    deadline_days: float | None = Field(default=None, gt=0, description="days that the run may take")
    precision: str | None = Field(default=None, description="of the products; null: bf16, else fp16, else fp32")
    mfu: float | None = Field(default=None, gt=0, le=1, description="share of the peak that serves the model; null: 0.4")
    usable: float = Field(
        default=1.0, gt=0, le=1, description="share of the budget that the final run gets, tests and failures aside"
    )
    price_per_hour: float | None = Field(default=None, gt=0, description="of one device")
    available_tokens: float | None = Field(default=None, gt=0, description="tokens of text at hand, each counted once")
    inference_tokens: float | None = Field(default=None, gt=0, description="tokens that the model will read and write in service")
    law: str = Field(default="chinchilla", description="a published law, or FIT.json of 'groundup scaling fit'")
    curation: Path | None = Field(default=None, description="what curate or encode made: its measured yield")
    raw_yield: float | None = Field(
        default=None, gt=0, le=1, description="share of the bytes of raw text that are kept; null: 0.02"
    )
    bytes_per_token: float | None = Field(default=None, gt=0, description="bytes of kept text; null: 4")
