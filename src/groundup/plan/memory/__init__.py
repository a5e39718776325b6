"""What `plan memory` is asked, and what it answers."""

from groundup.plan.memory.answer import Answer
from groundup.plan.memory.question import Planned
from groundup.plan.memory.verb import plan_memory
from groundup.plan.memory.words import render

__all__ = ["Answer", "Planned", "plan_memory", "render"]
