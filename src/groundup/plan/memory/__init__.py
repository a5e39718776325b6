"""What `plan memory` is asked, and what it answers."""

from groundup.plan.memory.answer import Answer, answer
from groundup.plan.memory.question import Choices, LayoutKeys, Planned, Question, ask
from groundup.plan.memory.words import render

__all__ = ["Answer", "Choices", "LayoutKeys", "Planned", "Question", "answer", "ask", "render"]
