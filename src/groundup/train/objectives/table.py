"""Every objective, by name and by the shape of model that learns it."""

from typing import Final

from groundup.nn.config import ShapeName
from groundup.train.objectives.causal import Causal
from groundup.train.objectives.config import ObjectiveConfig, ObjectiveName, check_shape
from groundup.train.objectives.denoising import Denoising
from groundup.train.objectives.fill_in_middle import FillInMiddle
from groundup.train.objectives.masked import Masked
from groundup.train.objectives.mixture import JoinedMixture, PairedMixture
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.prefix import Prefix
from groundup.train.objectives.span_corruption import SpanCorruption
from groundup.train.objectives.vocabulary import Vocabulary

OBJECTIVES: Final[dict[ObjectiveName, dict[ShapeName, type[Objective]]]] = {
    "causal": {"decoder": Causal},
    "masked": {"encoder": Masked},
    "span_corruption": {"encoder_decoder": SpanCorruption},
    "denoising": {"encoder_decoder": Denoising},
    "prefix": {"prefix_decoder": Prefix},
    "fill_in_middle": {"decoder": FillInMiddle},
    "mixture": {"encoder_decoder": PairedMixture, "prefix_decoder": JoinedMixture},
}


def build_objective(config: ObjectiveConfig, vocabulary: Vocabulary, seq_len: int, shape: ShapeName) -> Objective:
    """Return the objective for models of that shape that read at most `seq_len` tokens at a time.

    Raises ConfigError if the shape cannot learn it, or the tokenizer lacks a token that it needs.
    """
    check_shape(config.name, shape)
    return OBJECTIVES[config.name][shape](config, vocabulary, seq_len)
