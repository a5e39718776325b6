"""A training step of the real model, loss and optimizer under a layout, without memory and without devices."""

from groundup.plan.simulate.asked import simulate_memory
from groundup.plan.simulate.simulation import SimulatedPeak, Simulation, simulate

__all__ = ["SimulatedPeak", "Simulation", "simulate", "simulate_memory"]
