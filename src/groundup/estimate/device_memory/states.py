"""Weights, gradients, master weights and optimizer states of one device."""

from groundup.estimate.device_memory.stages import Parts, Stage
from groundup.estimate.device_memory.terms import Line, Place, Term
from groundup.estimate.device_memory.training import Method
from groundup.estimate.workload import FP32_BYTES

ZERO = "Rajbhandari et al. 2020, section 5"
DILOCO = "Douillard et al. 2023, algorithm 1"


def parameters_on_device(parts: Parts, stage: Stage, tp: int, tied: bool) -> tuple[int, float]:
    """Return the parameters of a stage that one tensor-parallel rank holds, and the optimizer's bytes for them."""
    held = [(parts.encoder_block, stage.encoder_blocks), (parts.block, stage.blocks)]
    if stage.is_first:
        held.append((parts.embedding, 1))
    if stage.is_last:
        held.append((parts.end, 1))
        if not (tied and stage.is_first):  # tied on another device: a copy of the embedding
            held.append((parts.head_matrix, 1))
    return (
        sum(count * part.on_device(tp) for part, count in held),
        sum(count * part.state_on_device(tp) for part, count in held),
    )


def state_terms(method: Method, params: int, state_bytes: float) -> list[Term]:
    """Return the four lines of states: 16P; 4P + 12P/d; 2P + 14P/d; 16P/d bytes with Adam in mixed precision for ZeRO 0 to 3.

    Islands that train apart keep 8 more a parameter.
    """
    zero, offload = method.layout.zero, method.layout.offload
    shards = method.shards
    are_wide = method.training.gradients_fp32 or not method.has_master
    if method.software == "groundup":
        are_wide = not method.has_master or method.layout.gradients == "fp32"
    gradients = FP32_BYTES if are_wide else method.compute_bytes
    on_host: Place = "host" if offload == "all" else "device"
    away: Place = "device" if offload == "none" else "host"
    rows: list[tuple[Line, float, int, str, Place]] = [
        ("weights", method.weight_bytes, 3, f"{8 * method.weight_bytes}-bit weights", on_host),
        ("gradients", gradients, 2, f"{8 * gradients}-bit gradients", on_host),
        ("optimizer", state_bytes / max(1, params), 1, f"states of {_name(method)}", away),
    ]
    if not method.accumulates and method.layout.pp == 1:
        rows.pop(1)
    if method.has_master:
        rows.append(("master_weights", FP32_BYTES, 1, "32-bit copy that is updated", away))
    terms = [_term(line, size, shards if zero >= stage else 1, params, what, place) for line, size, stage, what, place in rows]
    return [*terms, *_of_islands(method, params, on_host)]


def _of_islands(method: Method, params: int, place: Place) -> list[Term]:
    """Return what ranks that train apart keep beside the states of their island, which lies as its weights do."""
    if method.layout.local_sgd is None:
        return []
    shards = method.shards if method.layout.zero == 3 else 1
    kept = ("weights of the islands' last exchange", "momentum of these exchanges")
    return [_term("optimizer", FP32_BYTES, shards, params, what, place)._replace(source=DILOCO) for what in kept]


def _term(line: Line, size: float, shards: int, params: int, what: str, place: Place) -> Term:
    shared = f" / {shards} ranks" if shards > 1 else ""
    return Term(line, round(params * size / shards), what, f"{params:,} parameters x {size:.4g} B{shared}", ZERO, place)


def _name(method: Method) -> str:
    optimizer = method.training.optimizer
    return optimizer if isinstance(optimizer, str) else optimizer.name
