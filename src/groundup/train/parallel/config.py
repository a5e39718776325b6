"""How a training run lies on many devices: one type for plans, recipes and the engine."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.train.config import Recompute, RunPrecision

Zero = Literal[0, 1, 2, 3]
Offload = Literal["none", "optimizer", "all"]
GradientPrecision = Literal["fp32", "bf16"]
PipelineSchedule = Literal["gpipe", "1f1b", "interleaved", "zero_bubble"]


class LocalSgd(Config):
    """Islands of ranks that train apart, and bring their weights together from time to time (DiLoCo: Douillard et al. 2023)."""

    islands: int = Field(ge=2, description="groups of dp / islands ranks each that train apart, on parts of each batch")
    inner_steps: int = Field(default=100, gt=0, description="optimizer steps from one exchange of weights to the next")
    outer_rate: float = Field(
        default=0.7,
        gt=0,
        description="learning rate of what the islands' weights changed by on average; 1 without momentum averages",
    )
    outer_momentum: float = Field(default=0.9, ge=0, lt=1, description="Nesterov momentum of these changes")


class Layout(Config):
    """Axes of the mesh, what is sharded along them, and how a micro-batch is computed; 1 everywhere is one process."""

    dp: int = Field(default=1, gt=0, description="data parallel: copies of the model, or the ranks that share one by zero")
    tp: int = Field(default=1, gt=0, description="tensor (and sequence) parallel: ranks that share each matrix")
    pp: int = Field(default=1, gt=0, description="pipeline parallel: ranks that share the blocks")
    cp: int = Field(default=1, gt=0, description="context parallel: ranks that share each sequence")
    zero: Zero = Field(
        default=0, description="what data-parallel ranks share: 0 nothing (DDP), 1 optimizer states, 2 gradients too, 3 weights too"
    )
    sharding_factor: int | None = Field(
        default=None, gt=0, description="ranks among which zero=3 shards: 1 replicates, dp is full, between is hybrid; null: dp"
    )
    offload: Offload = Field(
        default="none", description="what lies in the memory of the host: none, optimizer states, or all states"
    )
    gradients: GradientPrecision = Field(
        default="fp32",
        description="what gradients of 16-bit weights (precision=bf16_weights) are held in until the update; they are summed over "
        "ranks in fp32. bf16: 2 bytes a parameter, as the ZeRO paper counts",
    )
    reshard_after_forward: bool | None = Field(
        default=None,
        description="zero=3: whether a block's weights are dropped after its forward pass and gathered again for its backward "
        "pass; false keeps all weights whole from one to the other; null: true, with pp > 1 false",
    )
    recompute: Recompute = Field(default="none", description="what the backward pass computes again instead of keeping it")
    micro_batch: int = Field(default=1, gt=0, description="sequences that a forward pass sees on each data-parallel rank")
    schedule: PipelineSchedule | None = Field(default=None, description="order of a pipeline's passes; null: 1f1b where pp > 1")
    precision: RunPrecision = Field(default="bf16", description="what matrices are multiplied in")
    local_sgd: LocalSgd | None = Field(default=None, description="training apart, for slow links between ranks; null: together")

    @property
    def world_size(self) -> int:
        """Processes that take part."""
        return self.dp * self.tp * self.pp * self.cp

    @property
    def shards(self) -> int:
        """Ranks among which the states that `zero` names are shared; 1 with zero=0."""
        if self.zero == 0:
            return 1
        return self.dp // self.islands if self.sharding_factor is None else self.sharding_factor

    @property
    def islands(self) -> int:
        """Groups of ranks that train apart."""
        return self.local_sgd.islands if self.local_sgd else 1

    @model_validator(mode="after")
    def _check_islands(self) -> Self:
        if self.local_sgd is None:
            return self
        if self.dp % self.islands:
            raise ValueError(f"local_sgd.islands={self.islands} does not divide dp={self.dp}; set dp to a multiple of it")
        if self.zero == 3 and self.sharding_factor is not None and self.dp // self.islands % self.sharding_factor:
            raise ValueError(
                f"sharding_factor={self.sharding_factor} does not divide dp / local_sgd.islands = {self.dp // self.islands}, the "
                "ranks of an island; set it to a divisor, or leave it out"
            )
        if self.precision == "fp16":
            raise ValueError("local_sgd with precision='fp16' would scale the loss of each island by another number; set bf16")
        return self

    @model_validator(mode="after")
    def _check_sharding(self) -> Self:
        factor = self.sharding_factor
        if factor is None:
            return self
        if self.zero == 3 and self.dp % factor:
            near = max(divisor for divisor in range(1, factor + 1) if self.dp % divisor == 0)
            raise ValueError(f"sharding_factor={factor} does not divide dp={self.dp}; the nearest below that does is {near}")
        if self.zero in (1, 2) and factor != self.dp // self.islands:
            raise ValueError(
                f"sharding_factor={factor} with zero={self.zero} and dp={self.dp} has no meaning; set zero=3, or leave it out"
            )
        if self.zero == 0 and factor != 1:
            raise ValueError(
                f"sharding_factor={factor} has no effect with zero=0, which shares nothing; set zero=3, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_states(self) -> Self:
        if self.reshard_after_forward is not None and self.zero != 3:
            raise ValueError(
                f"reshard_after_forward={str(self.reshard_after_forward).lower()} has no effect with zero={self.zero}, which keeps "
                "weights whole; set zero=3, or leave it out"
            )
        if self.gradients == "bf16" and self.precision != "bf16_weights":
            raise ValueError(
                f"gradients=bf16 has no effect with precision={self.precision}, whose weights have 32 bits; set "
                "precision=bf16_weights, or leave it out"
            )
        if self.gradients == "bf16" and (self.dp == 1 or self.zero == 3):
            raise ValueError(
                f"gradients=bf16 has no effect with dp={self.dp} and zero={self.zero}: it is of weights that ranks hold whole; set "
                "zero to 0, 1 or 2 and dp above 1, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        if self.schedule is not None and self.pp == 1:
            raise ValueError(f"schedule='{self.schedule}' has no effect with pp=1; leave it out, or set pp")
        return self


Automatic = Literal["auto"]
AUTO: Final[Automatic] = "auto"
"""A layout that is chosen for the processes that there are."""
Parallel = Annotated[
    Annotated[Layout, Tag("<layout>")] | Annotated[Automatic, Tag("<auto>")],
    Discriminator(lambda said: "<auto>" if isinstance(said, str) else "<layout>"),
]
"""What a recipe says of how training lies on processes."""


def said_layout(parallel: Parallel | None) -> Layout | None:
    """Return the layout that was said; None if none was, or it is to be chosen."""
    return parallel if isinstance(parallel, Layout) else None


def parallel_of(said: object) -> Parallel | None:
    """Return what a recipe said, as a job passes it on."""
    return said if isinstance(said, Layout) else AUTO if said == AUTO else None


def check_world(layout: Layout, size: int) -> None:
    """Raise ConfigError if the layout is not one of `size` processes, with the nearest that is."""
    if layout.world_size == size:
        return
    rest = layout.tp * layout.pp * layout.cp
    axes = f"dp={layout.dp} x tp={layout.tp} x pp={layout.pp} x cp={layout.cp}"
    nearest = max(size // rest, 1)
    way_out = (
        f"set parallel.dp={nearest}"
        if size % rest == 0
        else f"start {nearest * rest} processes with parallel.dp={nearest}, or share less"
    )
    raise ConfigError(
        f"parallel: {axes} is a layout of {layout.world_size:,} processes, and {size:,} were started; {way_out}, or start "
        f"{layout.world_size:,}; parallel=auto takes any number"
    )


def completed(said: Layout | None, size: int, settled: dict[str, Any] | None = None) -> Layout:
    """Return the layout of `size` processes that the recipe means: where it says no dp, it is what the other axes leave.

    `settled` are values of keys that a plan has settled. Raises ConfigError if the layout is of another number of processes.
    """
    given = said.model_dump(exclude_unset=True) if said is not None else {}
    layout = said or Layout()
    rest = layout.tp * layout.pp * layout.cp
    if "dp" not in given:
        given["dp"] = max(size // rest, 1)
    layout = Layout.parse({**given, **(settled or {})}, "parallel")
    check_world(layout, size)
    return layout
