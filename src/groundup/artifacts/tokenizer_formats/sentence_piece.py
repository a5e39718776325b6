"""SentencePiece's .model files: Unigram, and BPE over characters."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

from groundup.artifacts.tokenizer_formats.beside import Beside
from groundup.artifacts.tokenizer_formats.families import NUM_T5_SENTINELS
from groundup.artifacts.tokenizer_formats.given import AGAIN, MAX_TOKENS, read_bytes
from groundup.core.errors import ArtifactError
from groundup.core.lazy import lazy

message, protobuf = lazy("google.protobuf.message"), lazy("sentencepiece.sentencepiece_model_pb2")
"""Loaded for such a file alone: every worker that encodes would wait for them."""

SPACE = "▁"
MAX_SENTINELS = 10_000
_UNIGRAM, _BPE = 1, 2
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4
T5_FAMILIES = ("t5", "mt5", "umt5")
RENUMBERED = ("xlm-roberta", "camembert", "mbart", "m2m_100", "xglm", "barthez")
"""model_type of models whose ids are not the numbers of the pieces."""


def read_sentence_piece(path: Path, beside: Beside) -> Any:
    """Return the engine of the model, which normalises as its precompiled table and its settings say.

    The sentinels of T5, which its model does not hold, are added behind it. Raises ArtifactError that names the file
    for damage, and for models by words or characters.
    """
    if beside.model_type in RENUMBERED:
        raise ArtifactError(f"{path}: models of model_type='{beside.model_type}' number its pieces anew; give their tokenizer.json")
    model = parse_model(path)
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    unknown = next(number for number, piece in enumerate(model.pieces) if piece.type == _UNKNOWN)
    byte_fallback = model.trainer_spec.byte_fallback
    if model.trainer_spec.model_type == _UNIGRAM:
        engine: Any = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=byte_fallback))
    else:
        vocabulary = {name: number for number, (name, _) in enumerate(pieces)}
        merges = list(_merges(model))
        engine = Tokenizer(models.BPE(vocabulary, merges, unk_token=pieces[unknown][0], fuse_unk=True, byte_fallback=byte_fallback))
    _set_normalizer(engine, model.normalizer_spec, path)
    engine.decoder = _decoder(model.normalizer_spec.add_dummy_prefix)
    special = [piece.piece for piece in model.pieces if piece.type in (_UNKNOWN, _CONTROL)]
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    ordinary = [piece.piece for piece in model.pieces if piece.type == _USER_DEFINED]
    engine.add_tokens([AddedToken(name, special=False, normalized=False) for name in ordinary])
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in _sentinels(beside)])
    return engine


def parse_model(path: Path) -> Any:
    """Return the parsed model; raise ArtifactError if it is damaged or of a kind that cannot be read."""
    model: Any = protobuf.ModelProto()
    try:
        model.ParseFromString(read_bytes(path))
    except message.DecodeError:
        raise ArtifactError(f"{path}: not a model of SentencePiece; {AGAIN}") from None
    names = [piece.piece for piece in model.pieces]
    if not 0 < len(names) <= MAX_TOKENS or len(set(names)) < len(names) or "" in names:
        raise ArtifactError(f"{path}: {len(names):,} pieces, {len(set(names)):,} of them different; {AGAIN}")
    num_unknown = sum(piece.type == _UNKNOWN for piece in model.pieces)
    if num_unknown != 1:
        raise ArtifactError(f"{path}: {num_unknown} pieces stand for the unknown, not 1; {AGAIN}")
    if model.trainer_spec.model_type not in (_UNIGRAM, _BPE):
        raise ArtifactError(f"{path}: cuts text into words or characters; groundup reads models of kind unigram and bpe")
    if model.trainer_spec.treat_whitespace_as_suffix:
        raise ArtifactError(f"{path}: puts the space behind words (treat_whitespace_as_suffix), which groundup does not read")
    return model


def _merges(model: Any) -> Iterator[tuple[str, str]]:
    """Yield the merges of a BPE model, which holds only the pieces: every way to make a piece of two, the most probable first."""
    mergeable = {piece.piece for piece in model.pieces if piece.type in (_NORMAL, _USER_DEFINED)}
    normal = [(piece.score, number, piece.piece) for number, piece in enumerate(model.pieces) if piece.type == _NORMAL]
    for _, _, name in sorted(normal, key=lambda row: (-row[0], row[1])):
        for cut in range(1, len(name)):
            if name[:cut] in mergeable and name[cut:] in mergeable:
                yield name[:cut], name[cut:]


def _set_normalizer(engine: Any, spec: Any, path: Path) -> None:
    steps: list[Any] = []
    if spec.precompiled_charsmap:
        try:
            steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
        except Exception as error:  # the library raises bare Exception
            raise ArtifactError(f"{path}: its table of characters is damaged ({error}); {AGAIN}") from None
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    if spec.escape_whitespaces:
        steps.append(normalizers.Replace(" ", SPACE))
    if steps:
        engine.normalizer = normalizers.Sequence(steps)


def _decoder(dummy_prefix: bool) -> Any:
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if dummy_prefix else steps)


def _sentinels(beside: Beside) -> list[str]:
    """Return T5's sentinels in the order of their ids, which is the reverse of their numbers."""
    count = beside.settings.get("extra_ids", NUM_T5_SENTINELS)
    if beside.model_type not in T5_FAMILIES or type(count) is not int or not 0 < count <= MAX_SENTINELS:
        return []
    return [f"<extra_id_{number}>" for number in reversed(range(count))]
