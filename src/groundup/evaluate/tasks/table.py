"""The kinds of tasks by name."""

from typing import Final

from groundup.evaluate.tasks.answers import TextToText
from groundup.evaluate.tasks.config import KindName
from groundup.evaluate.tasks.kinds import Kind, SentenceClassification, TokenClassification

KINDS: Final[dict[KindName, type[Kind]]] = {
    "sentence_classification": SentenceClassification,
    "token_classification": TokenClassification,
    "text_to_text": TextToText,
}
