"""What `plan memory` was asked, simulated."""

from dataclasses import replace

from groundup.core.errors import ConfigError
from groundup.estimate.device_memory import Memory
from groundup.estimate.device_memory.training import Method, settle
from groundup.estimate.hardware import catalogue
from groundup.estimate.layout.counted import CountedStep, counted_step
from groundup.estimate.layout.problem import Problem
from groundup.plan.memory import Answer
from groundup.plan.memory.question import Question
from groundup.plan.simulate.losses import LossName
from groundup.plan.simulate.simulation import SimulatedPeak, Simulation, simulate
from groundup.plan.simulate.stage import stage_of
from groundup.train.parallel.config import Layout


def simulate_memory(answer: Answer) -> SimulatedPeak:
    """Return the simulated peak of one device in the training that was asked for, and, on named hardware, the time of a step.

    Of a pipeline it is a rank of the stage that formulas find the fullest. Raises ConfigError for what cannot be simulated.
    """
    wanted = simulation_of(answer.question, answer.memory)
    found = simulate(wanted)
    return replace(found, step=_step(answer.question, wanted, found))


def _step(question: Question, wanted: Simulation, found: SimulatedPeak) -> CountedStep | None:
    hardware = catalogue().get(question.device or "")
    if hardware is None:
        return None
    layout, training = wanted.layout, question.training
    batch = layout.dp * layout.micro_batch * wanted.num_micro_batches
    problem = Problem(
        wanted.model, wanted.rows, batch, hardware, layout.world_size, layout.precision, wanted.optimizer, training.attention
    )
    return counted_step(problem, layout, found.traffic, stage_of(wanted.model, layout, wanted.rank))


def simulation_of(question: Question, memory: Memory) -> Simulation:
    """Return what was asked as a simulation of it: always of groundup's model, whatever software holds it."""
    training, layout = question.training, question.layout
    if question.inference is not None:
        raise ConfigError("--simulate takes a training step, and --inference asks for none; leave one out")
    if isinstance(training.optimizer, str):
        raise ConfigError(f"optimizer={training.optimizer} is not groundup's own, which are simulated; set adamw")
    for name, is_set in (("--compile", training.compiled), ("precision=fp8", training.fp8)):
        if is_set:
            raise ConfigError(
                f"{name} is not simulated: kernels are those of a CPU, one operation each; leave it or --simulate out"
            )
    method = settle(training, layout)
    if layout.recompute == "selective" and method.selective != "products":
        raise ConfigError(
            f"recompute=selective as {method.software} has it keeps '{method.selective}', and what is simulated keeps 'products'; "
            "set --selective products, or --software groundup"
        )
    return Simulation(
        question.model,
        layout,
        training.rows,
        training.optimizer,
        training.attention,
        _loss(method, training.loss),
        training.num_micro_batches or _micro_batches(layout),
        training.document_mask,
        rank=memory.stage * layout.world_size // layout.pp,
    )


def _loss(method: Method, said: LossName | None) -> LossName:
    """Return the loss: that of ranks that share the head is groundup's own, unless another was asked for."""
    return said or ("chunked" if method.layout.tp > 1 else method.loss)


def _micro_batches(layout: Layout) -> int:
    """Return how many fill a pipeline; two where there is none, so that gradients are there while activations are."""
    if layout.pp == 1:
        return 2
    return 2 * layout.pp if layout.schedule == "interleaved" else layout.pp
