"""BERT (Devlin et al. 2019), RoBERTa (Liu et al. 2019) and RoFormer (Su et al. 2021), masked language models of one layout."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

from groundup.nn.config import ModelConfig
from groundup.nn.formats.base import SQUARE, WHOLE_HEADS, Format, Row, Rule, both, weight
from groundup.nn.formats.changes import AFTER_EXTRA_POSITIONS, EXTRA_POSITIONS, SAME, SINUSOID_TABLE, ZERO_ROW, Change
from groundup.nn.formats.given import Given

BLOCK = "encoder.blocks.N"
MODULES = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "residual.norms.0",
    "intermediate.dense": "feed_forward.up",
    "output.dense": "feed_forward.down",
    "output.LayerNorm": "residual.norms.1",
}
"""Modules of one block, theirs -> ours."""
WHOLE_HEAD = Rule(lambda config: config.head_transform == config.head_bias, "head_transform = head_bias")


class BertLike(Format):
    """A post-norm encoder with normalised embeddings, with the head of masked language models or without one.

    A model without the head (BertModel) has no logits; ours has those of the plain embedding. A model without segments is
    written with one, of zeros. Poolers and heads for other tasks are not read.
    """

    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "shape": ("encoder",),
        "norm": ("layer",),
        "residual": ("post",),
        "embedding_norm": (True,),
        "position": ("learned",),
        "feed_forward": ("gelu",),
        "bias": (True,),
        "head_bias": (True, False),
        "head_transform": (True, False),
    }
    free = frozenset({"norm_eps", "segments"})
    rules = (SQUARE, WHOLE_HEADS, WHOLE_HEAD)
    ignored = (r"\.position_ids$", r"\.token_type_ids$", r"\.pooler\.", r"^cls\.seq_relationship\.")
    old_names = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))
    first_position: ClassVar[int]
    """Rows of the table of positions before that of the first token."""
    without_head: ClassVar[str]
    """The class that is saved without a head."""
    with_head: ClassVar[str]

    @final
    def settings(self, given: Given) -> dict[str, Any]:
        given.only(hidden_act="gelu", position_embedding_type="absolute", is_decoder=False, tie_word_embeddings=True)
        heads, whole = given.whole("num_attention_heads"), self.without_head not in given.architectures()
        return {
            "shape": "encoder",
            "norm": "layer",
            "norm_eps": given.number("layer_norm_eps", default=1e-12),
            "residual": "post",
            "embedding_norm": True,
            "segments": given.whole("type_vocab_size", default=2),
            **self.own_settings(given),
            "feed_forward": "gelu",
            "bias": True,
            "dropout": given.number("hidden_dropout_prob", default=0.1),
            "attention_dropout": given.number("attention_probs_dropout_prob", default=0.1),
            "head_bias": whole,
            "head_transform": whole,
            "init_std": given.number("initializer_range", default=0.02),
            "vocab_size": given.whole("vocab_size"),
            "dim": given.whole("hidden_size"),
            "num_layers": given.whole("num_hidden_layers"),
            "num_heads": heads,
            "num_kv_heads": heads,
            "ffn_dim": given.whole("intermediate_size"),
            "max_seq_len": given.whole("max_position_embeddings") - self.first_position,
        }

    @final
    def keys(self, config: ModelConfig) -> dict[str, Any]:
        padding = {"pad_token_id": self.first_position - 1} if self.first_position else {}
        return {
            "architectures": [self.with_head if config.head_transform else self.without_head],
            "hidden_size": config.dim,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "intermediate_size": config.ffn_dim,
            "max_position_embeddings": config.max_seq_len + self.first_position,
            "type_vocab_size": max(config.segments, 1),
            "hidden_act": "gelu",
            "layer_norm_eps": config.norm_eps,
            "hidden_dropout_prob": config.dropout,
            "attention_probs_dropout_prob": config.attention_dropout,
            "initializer_range": config.init_std,
            **padding,
            **self.own_keys(config),
        }

    @final
    def body(self, config: ModelConfig, positions: Change | None) -> Iterable[Row]:
        """Return the rows of all but the head; None for positions that are no table."""
        places = f"{self.prefix}embeddings.position_embeddings"
        table = f"{self.prefix}embeddings.token_type_embeddings"
        return [
            *weight(f"{self.prefix}embeddings.word_embeddings", "embedding"),
            *(weight(table, "segments") if config.segments else [Row(f"{table}.weight", (), ZERO_ROW)]),
            *(weight(places, "encoder.position.table", change=positions) if positions is not None else []),
            *both(f"{self.prefix}embeddings.LayerNorm", "encoder.embedding_norm"),
            *(row for theirs, ours in MODULES.items() for row in both(f"{self.prefix}encoder.layer.N.{theirs}", f"{BLOCK}.{ours}")),
        ]

    @abstractmethod
    def own_settings(self, given: Given) -> dict[str, Any]:
        """Return how this family tells positions; ConfigError for a setting of it alone that we lack."""

    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        """Return the keys of config.json that this family alone has."""
        return {}

    @final
    def bert_head(self, config: ModelConfig) -> Iterable[Row]:
        """Return the rows of the head as BERT names it; none without one."""
        if not config.head_transform:
            return []
        return [
            *both("cls.predictions.transform.dense", "head.features.0.dense"),
            *both("cls.predictions.transform.LayerNorm", "head.features.0.norm"),
            Row("cls.predictions.bias", ("head.bias",)),
        ]


@final
class Bert(BertLike):
    """Positions from 0; two kinds of segments as released."""

    model_type = "bert"
    prefix = "bert."
    head_names = ("cls.",)
    first_position = 0
    without_head, with_head = "BertModel", "BertForMaskedLM"
    copies: ClassVar[Mapping[str, str]] = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def own_settings(self, given: Given) -> dict[str, Any]:
        return {"position": "learned"}

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        return [*self.body(config, SAME), *self.bert_head(config)]


@final
class Roberta(BertLike):
    """Positions from 2, counted over what is not token 1: that token must be padding wherever it stands."""

    model_type = "roberta"
    prefix = "roberta."
    first_position = EXTRA_POSITIONS
    padding = EXTRA_POSITIONS - 1
    without_head, with_head = "RobertaModel", "RobertaForMaskedLM"
    copies: ClassVar[Mapping[str, str]] = {
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    }

    def own_settings(self, given: Given) -> dict[str, Any]:
        given.only(pad_token_id=self.padding)
        return {"position": "learned"}

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        head = [
            *both("lm_head.dense", "head.features.0.dense"),
            *both("lm_head.layer_norm", "head.features.0.norm"),
            Row("lm_head.bias", ("head.bias",)),
        ]
        return [*self.body(config, AFTER_EXTRA_POSITIONS), *(head if config.head_transform else [])]


@final
class RoFormer(BertLike):
    """BERT with rotary positions, which turn neighbouring dims, in place of a table."""

    model_type = "roformer"
    prefix = "roformer."
    head_names = ("cls.",)
    first_position = 0
    without_head, with_head = "RoFormerModel", "RoFormerForMaskedLM"
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {**BertLike.fixed, "position": ("rope",), "rope_pairs": ("neighbours",)}
    copies: ClassVar[Mapping[str, str]] = {
        "cls.predictions.decoder.weight": "roformer.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }

    def own_settings(self, given: Given) -> dict[str, Any]:
        given.only(rotary_value=False, embedding_size=given.whole("hidden_size"))
        return {"position": "rope", "rope_pairs": "neighbours"}

    def own_keys(self, config: ModelConfig) -> dict[str, Any]:
        return {"embedding_size": config.dim, "rotary_value": False}

    def rows(self, config: ModelConfig) -> Iterable[Row]:
        angles = Row(f"{self.prefix}encoder.embed_positions.weight", (), SINUSOID_TABLE)
        return [*self.body(config, None), angles, *self.bert_head(config)]
