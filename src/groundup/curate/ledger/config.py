"""The settings of what is said when a curation looks wrong."""

from pydantic import Field

from groundup.core.config import Config


class AlarmsConfig(Config):
    """Shares above which a curation says that something may be wrong; 1 silences one."""

    stage_loss: float = Field(
        default=0.5, ge=0, le=1, description="of the documents, or of the bytes, that come to a stage: taken out by it"
    )
    leakage_loss: float = Field(
        default=0.1, ge=0, le=1, description="of what comes to the stage leakage: taken out to keep held-out text unseen"
    )
    total_loss: float = Field(default=0.5, ge=0, le=1, description="of the bytes that all sources give: taken out by all stages")
    source_loss: float = Field(default=0.95, ge=0, le=1, description="of the bytes of one source: taken out by all stages")
    rule_source: float = Field(
        default=0.9, ge=0, le=1, description="of the drops of a rule: of one source, which gives less than half as large a share"
    )
    redacted_documents: float = Field(
        default=0.3, ge=0, le=1, description="of the kept documents of a source: with a placeholder of one kind"
    )
    group_loss: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="of the documents that name a group of people: dropped by a stage beyond the share of the others, for sure",
    )
    stop: bool = Field(default=False, description="make nothing if there is an alarm")
