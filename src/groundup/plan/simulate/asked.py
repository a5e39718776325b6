"""What `plan memory` was asked, simulated."""

from groundup.core.errors import ConfigError
from groundup.estimate.device_memory.training import settle
from groundup.plan.memory.question import Question
from groundup.plan.simulate.simulation import SimulatedPeak, Simulation, simulate


def simulate_memory(question: Question) -> SimulatedPeak:
    """Return the simulated peak of one device in the training that was asked for.

    Raises ConfigError for what cannot be simulated.
    """
    return simulate(simulation_of(question))


def simulation_of(question: Question) -> Simulation:
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
        method.loss,
        training.num_micro_batches or 2,
        training.document_mask,
    )
