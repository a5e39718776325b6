"""Attention in linear time and memory, by random features of the softmax kernel."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from groundup.core.seeds import derive_seed
from groundup.nn.attention.mechanism import KernelName, Mechanism
from groundup.nn.config import ModelConfig
from groundup.nn.positions.base import Bias
from groundup.nn.view import View

_CHUNK = 128
"""Tokens whose products are made at once in the causal form."""


class Performer(Mechanism):
    """FAVOR+: softmax(q k^T) v as phi(q) (phi(k)^T v) over the same sums, with phi positive and orthogonal random features.

    Choromanski et al. 2021, lemma 1 and section 2.4: phi(x)_i = exp(w_i x - |x|^2 / 2) / sqrt(m), x being scaled by the fourth
    root. Computed in float32. The features are drawn once, the same for all blocks and runs, and never again.
    """

    features: Tensor

    def __init__(self, config: ModelConfig, kernel: KernelName) -> None:
        super().__init__(config)
        generator = torch.Generator().manual_seed(derive_seed(0, "performer") >> 1)
        drawn = orthogonal_features(config.performer_features, config.head_dim, generator)
        self.register_buffer("features", drawn, persistent=False)

    def prepare(self, view: View, bias: Bias | None, dtype: torch.dtype) -> View:
        assert bias is None, "settings refuse biases of scores"
        assert view.prefix is None, "settings refuse a prefix"
        return view

    def forward(
        self,
        query: Float[Tensor, "batch heads query head_dim"],
        key: Float[Tensor, "batch kv_heads key head_dim"],
        value: Float[Tensor, "batch kv_heads key head_dim"],
        prepared: View,
    ) -> Float[Tensor, "batch heads query head_dim"]:
        batch, heads, length, head_dim = query.shape
        with torch.autocast(query.device.type, enabled=False):
            root = self.scale**0.5
            asking = query_features(query.float() * root, self.features).view(batch, key.shape[1], -1, length, len(self.features))
            answering = key_features(key.float() * root, self.features)
            counted = F.pad(value.float(), (0, 1), value=1.0)  # the last column sums the weights
            mixed = linear_attention(asking, answering, counted, prepared).view(batch, heads, length, head_dim + 1)
            result = mixed[..., :-1] / mixed[..., -1:].clamp(min=torch.finfo(torch.float32).tiny)
        return result.to(value.dtype)


def linear_attention(
    query: Float[Tensor, "batch kv_heads group query features"],
    key: Float[Tensor, "batch kv_heads key features"],
    value: Float[Tensor, "batch kv_heads key width"],
    view: View,
) -> Float[Tensor, "batch kv_heads group query width"]:
    """Return the sum of (query . key) value over the keys that each query sees."""
    if not view.whole:
        weights = (query @ key.transpose(-2, -1)[:, :, None]) * view.visible()[:, None, None]
        return weights @ value[:, :, None]
    if view.causal:
        return causal_sums(query, key, value, view.query_ids, diagonal=0)
    if view.query_ids is None:
        return query @ (key.transpose(-2, -1) @ value)[:, :, None]
    before = causal_sums(query, key, value, view.query_ids, diagonal=0)
    back = causal_sums(query.flip(3), key.flip(2), value.flip(2), view.query_ids.flip(1), diagonal=-1)
    return before + back.flip(3)


def causal_sums(
    query: Float[Tensor, "batch kv_heads group seq features"],
    key: Float[Tensor, "batch kv_heads seq features"],
    value: Float[Tensor, "batch kv_heads seq width"],
    document_ids: Int[Tensor, "batch seq"] | None,
    diagonal: int,
) -> Float[Tensor, "batch kv_heads group seq width"]:
    """Return the sum of (query . key) value over the keys of the same document up to the query's place + `diagonal`.

    Chunk by chunk: what lies in the chunk by its products, what lies before by the running sum of key^T value, which starts anew
    with a document (documents are runs of equal ids).
    """
    ids = torch.zeros(len(query), query.shape[3], dtype=torch.long, device=query.device) if document_ids is None else document_ids
    state = query.new_zeros(*key.shape[:2], key.shape[-1], value.shape[-1])
    parts, before = [], ids[:, 0]
    cuts = (torch.split(x, _CHUNK, dim) for x, dim in ((query, 3), (key, 2), (value, 2), (ids, 1)))
    for q, k, v, document in zip(*cuts, strict=True):
        inside = (document[:, :, None] == document[:, None, :]).tril(diagonal)[:, None, None]
        goes_on = (document == before[:, None])[:, None, None, :, None]
        weights = (q @ k.transpose(-2, -1)[:, :, None]) * inside
        parts.append(weights @ v[:, :, None] + (q @ state[:, :, None]) * goes_on)
        last = document[:, -1]
        ends = (document == last[:, None])[:, None, :, None]
        state = state * (last == before)[:, None, None, None] + (k * ends).transpose(-2, -1) @ v
        before = last
    return torch.cat(parts, dim=3)


def query_features(
    x: Float[Tensor, "*batch head_dim"], features: Float[Tensor, "num_features head_dim"]
) -> Float[Tensor, "*batch num_features"]:
    """Return phi(x) up to a factor of each row, which cancels when its weights are divided by their sum."""
    turned = x @ features.T
    return torch.exp(turned - turned.amax(-1, keepdim=True).detach())


def key_features(
    x: Float[Tensor, "*batch head_dim"], features: Float[Tensor, "num_features head_dim"]
) -> Float[Tensor, "*batch num_features"]:
    """Return phi(x); at most exp(|w|^2 / 2), far inside float32 for heads up to 128 wide."""
    return torch.exp(x @ features.T - x.square().sum(-1, keepdim=True) / 2)


def orthogonal_features(num_features: int, head_dim: int, generator: torch.Generator) -> Float[Tensor, "num_features head_dim"]:
    """Return Gaussian vectors, orthogonal within each block of `head_dim` of them, with the lengths of independent ones."""
    blocks = []
    for _ in range(-(-num_features // head_dim)):
        directions, triangle = torch.linalg.qr(torch.randn(head_dim, head_dim, generator=generator, device="cpu"))
        blocks.append((directions * triangle.diagonal().sign()).T)  # without the signs some directions are likelier (Mezzadri 2007)
    lengths = torch.randn(num_features, head_dim, generator=generator, device="cpu").norm(dim=1, keepdim=True)
    drawn: Tensor = torch.cat(blocks)[:num_features] * lengths
    return drawn
