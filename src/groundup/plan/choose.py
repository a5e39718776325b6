"""Choose what to train before anything is timed: precision, batch split and the shape with the lowest predicted loss."""

from collections.abc import Sequence

from groundup.core.errors import BudgetError, ConfigError
from groundup.core.units import format_count, format_seconds
from groundup.estimate.flops import flops_per_row, flops_per_token, recomputed_flops_per_row
from groundup.estimate.laws import CHINCHILLA, Law, effective_tokens, law_for
from groundup.estimate.parameters import total_parameters
from groundup.estimate.workload import AttentionName, Workload
from groundup.nn.config import ModelConfig
from groundup.plan.config import PlanConfig
from groundup.plan.machine import BF16_WORTH_IT, Machine
from groundup.plan.room import divisors, fits, too_large
from groundup.plan.shapes import describe
from groundup.plan.situation import Situation
from groundup.train.config import PRODUCTS, ProductPrecision, RunPrecision, TrainConfig

MATMUL_MAX_SEQ_LEN = 512
"""Longest sequence at which materialised scores beat the fused CPU kernel in bf16."""
MICRO_BATCH_TOKENS = 2048
"""Fewer tokens in a backward pass lose speed on a CPU, more only cost memory."""
MFU_LIMIT: dict[ProductPrecision, float] = {"fp32": 0.9, "bf16": 0.8, "fp16": 0.8}
MFU_HALF_WIDTH: dict[ProductPrecision, float] = {"fp32": 60.0, "bf16": 240.0, "fp16": 240.0}
"""Prior of the MFU of an eager step before anything is timed: limit x dim / (dim + half width)."""


def choose_precision(train: TrainConfig, situation: Situation, why: list[str]) -> RunPrecision:
    """Return what matrices are multiplied in: as the recipe says, else bf16 where that is clearly faster.

    Raises ConfigError if the device does not have what the recipe says.
    """
    peaks = situation.machine.matmul_peak_flops_per_s
    if train.precision != "auto":
        if PRODUCTS[train.precision] not in peaks:
            raise ConfigError(
                f"pretrain.precision='{train.precision}': torch does not multiply such numbers on device "
                f"'{situation.device}', only {', '.join(peaks)}; set pretrain.precision to auto"
            )
        why.append(f"precision {train.precision}: as the recipe says.")
        return train.precision
    ratio = peaks.get("bf16", 0.0) / peaks["fp32"]
    precision: RunPrecision = "bf16" if ratio > BF16_WORTH_IT else "fp32"
    why.append(
        f"precision {precision}: bf16 multiplies matrices {ratio:.2g} times as fast as fp32 here "
        f"({_speeds(situation.machine)}); bf16 is taken above {BF16_WORTH_IT}."
    )
    return precision


def build_workload(model: ModelConfig, train: TrainConfig, situation: Situation, precision: RunPrecision) -> Workload:
    """Return the candidate with the attention kernel of the rule, and the largest wanted split of the batch that fits in memory."""
    fused = precision == "fp32" or train.seq_len > MATMUL_MAX_SEQ_LEN or situation.device != "cpu"
    fused = fused and has_kernels(model)
    attention: AttentionName = train.attention if train.attention != "auto" else "sdpa" if fused else "matmul"
    splits = [train.micro_batch] if train.micro_batch else _micro_batches(train, situation)
    workloads = [
        Workload(
            model,
            precision,
            attention,
            micro_batch,
            train.batch_sequences,
            situation.rows,
            train.document_mask,
            train.optimizer,
            recompute=train.recompute,
        )
        for micro_batch in splits
    ]
    return next((workload for workload in workloads if fits(workload, train, situation)), workloads[-1])


def has_kernels(model: ModelConfig) -> bool:
    """Return whether there is a choice of kernels: not for sparse or approximate attention, nor under a soft cap of scores."""
    return model.attention == "full" and model.attention_soft_cap is None


def _micro_batches(train: TrainConfig, situation: Situation) -> list[int]:
    """Return the even splits of the batch, the best first: on a CPU the smallest of MICRO_BATCH_TOKENS, elsewhere the largest."""
    splits = divisors(train.batch_sequences)
    enough = [number for number in splits if number * train.seq_len >= MICRO_BATCH_TOKENS] or splits[-1:]
    first = enough[0] if situation.device == "cpu" else splits[-1]
    return [number for number in reversed(splits) if number <= first]


def choose_shape(config: PlanConfig, situation: Situation, candidates: list[Workload], why: list[str]) -> Workload:
    """Return the candidate of the lowest predicted loss among those that fit in memory; raise BudgetError if none does."""
    fitting = [candidate for candidate in candidates if fits(candidate, config.pretrain, situation)]
    if not fitting:
        raise BudgetError(too_large(candidates[0], situation, config))
    if config.budget is None or config.budget.minutes is None or config.model.dim is not None:
        why.append(f"model: {describe(fitting[0].model)}, as the recipe says.")
        return fitting[0]
    seconds = config.budget.minutes * 60
    law, losses = rank(fitting, situation, seconds)
    best = losses.index(min(losses))
    tokens = seconds * prior_speed(fitting[best], situation)
    fresh = effective_tokens(tokens, situation.unique_tokens)
    table = ", ".join(
        f"{format_count(total_parameters(candidate.model))}: {loss:.2f}" for candidate, loss in zip(fitting, losses, strict=True)
    )
    why.append(
        f"model: {describe(fitting[best].model)}, the lowest predicted loss of the family in {format_seconds(seconds)} "
        f"({table} nats; sizes that the law was not fitted to it only ranks). The prediction: about {format_count(tokens)} tokens "
        f"at the speed expected of this width, worth {format_count(fresh)} fresh ones as there are "
        f"{format_count(situation.unique_tokens)} of text; {law.source}."
    )
    return fitting[best]


def rank(candidates: Sequence[Workload], situation: Situation, seconds: float) -> tuple[Law, list[float]]:
    """Return each candidate's predicted loss, all under the law that fits the size which the published one would choose."""
    published = [predicted_loss(CHINCHILLA, candidate, situation, seconds) for candidate in candidates]
    law = law_for(total_parameters(candidates[published.index(min(published))].model))
    return law, [predicted_loss(law, candidate, situation, seconds) for candidate in candidates]


def predicted_loss(law: Law, workload: Workload, situation: Situation, seconds: float) -> float:
    """Return the loss that the law gives the candidate after so many seconds at the speed expected of it [nats per token]."""
    tokens = effective_tokens(seconds * prior_speed(workload, situation), situation.unique_tokens)
    return law.loss(total_parameters(workload.model), tokens)


def prior_speed(workload: Workload, situation: Situation) -> float:
    """Return the tokens per second expected before anything is timed."""
    dim = workload.model.dim
    products = PRODUCTS[workload.precision]
    mfu = MFU_LIMIT[products] * dim / (dim + MFU_HALF_WIDTH[products])
    peak = situation.machine.matmul_peak_flops_per_s[products]
    speed = mfu * peak / flops_per_token(workload.model, workload.rows) / (1 + recomputed_share(workload))
    return speed * situation.processes.machines


def recomputed_share(workload: Workload) -> float:
    """Return the FLOPs of what is computed again over those of the model."""
    again = recomputed_flops_per_row(workload.model, workload.rows, workload.recompute, workload.attention)
    return again / flops_per_row(workload.model, workload.rows)


def _speeds(machine: Machine) -> str:
    return ", ".join(f"{name} {format_count(speed, 'FLOP/s')}" for name, speed in machine.matmul_peak_flops_per_s.items())
