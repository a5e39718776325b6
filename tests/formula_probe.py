"""A machine whose speeds are given by formula, so that plans on it can be checked exactly."""

from groundup.estimate.flops import flops_per_token
from groundup.estimate.memory import training_memory
from groundup.estimate.rows import RowLengths
from groundup.plan.config import BudgetConfig, PlanConfig, SizeConfig
from groundup.plan.machine import Machine
from groundup.plan.probe import Probe
from groundup.plan.situation import Situation
from groundup.train.config import TrainConfig

SPEED = 3e11
OVERHEAD_S = 0.02
SHARE = 0.5
HELD_BY_THE_COMPILER = 400_000_000


class FormulaProbe(Probe):
    """Steps take an overhead and their FLOPs at a fixed speed; attention `slow` takes longer by `slowdown`."""

    def __init__(self, slow="sdpa", slowdown=1.0, compiled=1.0):
        self.slow, self.slowdown, self.compiled = slow, slowdown, compiled
        self.seen = []

    def step_seconds(self, workloads, seconds):
        self.seen += workloads
        return [self.step_s(workload) for workload in workloads]

    def step_s(self, workload):
        tokens = workload.batch_sequences * workload.rows.text_len
        time_s = OVERHEAD_S + tokens * flops_per_token(workload.model, workload.rows) / SPEED
        time_s *= self.compiled if workload.compiled else 1.0
        return time_s * (self.slowdown if workload.attention == self.slow else 1.0)

    def memory_growth(self, workload):
        self.seen.append(workload)
        return training_memory(workload, 0, SHARE)["total"]

    def held_bytes(self):
        return HELD_BY_THE_COMPILER


def situation(memory_bytes=16 * 10**9, unique_tokens=2_000_000, bf16=8e11, device="cpu", seq_len=256):
    machine = Machine(
        num_threads=2,
        memory_bytes=memory_bytes,
        available_bytes=memory_bytes,
        matmul_peak_flops_per_s={"fp32": 2e11, "bf16": bf16},
    )
    return Situation(4096, unique_tokens, machine, device, RowLengths.causal(seq_len), process_bytes=300_000_000)


def plan_config(minutes=4.0, size=None, **train):
    budget = BudgetConfig(minutes=minutes) if minutes else None
    return PlanConfig(budget=budget, model=size or SizeConfig(), pretrain=TrainConfig(**train), device="cpu")
