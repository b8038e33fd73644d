"""The element-wise passes between the matrix products of a decoder block, forward and backward, each in one sweep.

Written out by hand so that nothing is computed or kept twice. With a C++ compiler at hand they are compiled, each into
one loop over memory; without one the same functions run as they stand.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float, kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return RMSNorm(x) in `kind`, and the reciprocal root mean squares (tokens, 1) for the way back."""
    scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return (x * scale * weight).to(kind), scale


def add_norm(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, eps: float, kind: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return x + y in fp32, RMSNorm of it in `kind`, and the scales."""
    total = x + y
    scale = torch.rsqrt(total.square().mean(-1, keepdim=True) + eps)
    return total, (total * scale * weight).to(kind), scale


def add_norm_back(
    outer: torch.Tensor,
    outer_normed: torch.Tensor,
    total: torch.Tensor,
    scale: torch.Tensor,
    weight: torch.Tensor,
    kind: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of x in fp32, and the same in `kind` as the gradient of y."""
    weighted = outer_normed * weight
    unit = total * scale
    gradient = outer + (weighted - unit * (weighted * unit).mean(-1, keepdim=True)) * scale
    return gradient, gradient.to(kind)


def rotate(
    mixed: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, key_value_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split a fused projection (tokens, (heads + 2 key-value heads) x size) and turn queries and keys by position.

    Returns:
        query, key, value: (tokens, heads, size) fp32.
    """
    size = cos.shape[-1]
    parts = mixed.view(mixed.shape[0], heads + 2 * key_value_heads, size).float()
    turned, value = parts[:, : heads + key_value_heads], parts[:, heads + key_value_heads :]
    first, second = turned[..., : size // 2], turned[..., size // 2 :]
    c, s = cos[:, None, : size // 2], sin[:, None, : size // 2]
    both = torch.cat([first * c - second * s, second * c + first * s], dim=-1)
    return both[:, :heads], both[:, heads:], value


def rotate_back(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, kind: torch.dtype
) -> torch.Tensor:
    """Return the gradient of the fused projection from those of query, key and value."""
    size = cos.shape[-1]
    both = torch.cat([query, key], dim=1)
    first, second = both[..., : size // 2], both[..., size // 2 :]
    c, s = cos[:, None, : size // 2], sin[:, None, : size // 2]
    turned = torch.cat([first * c + second * s, second * c - first * s], dim=-1)
    return torch.cat([turned, value], dim=1).to(kind).flatten(1)


def gate(both: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """Return silu(gate) x up of the fused projection [gate, up]."""
    gated, up = both.float().chunk(2, dim=-1)
    return (gated * torch.sigmoid(gated) * up).to(kind)


def gate_back(outer: torch.Tensor, both: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    gated, up = both.float().chunk(2, dim=-1)
    outer = outer.float()
    open_share = torch.sigmoid(gated)
    return torch.cat([outer * up * open_share * (1 + gated * (1 - open_share)), outer * gated * open_share], dim=-1).to(
        kind
    )


def drop(x: torch.Tensor, noise: torch.Tensor, threshold: int) -> torch.Tensor:
    """Return x without the places where a random byte is below the threshold, the rest scaled to keep the mean."""
    return torch.where(noise >= threshold, x * (256 / (256 - threshold)), 0).to(x.dtype)


def add_dropped(gradient: torch.Tensor, through: torch.Tensor, noise: torch.Tensor, threshold: int) -> torch.Tensor:
    """Return the gradient plus that which came through the places that `drop` kept."""
    return (gradient + torch.where(noise >= threshold, through * (256 / (256 - threshold)), 0)).to(gradient.dtype)


def random_bytes(shape: torch.Size) -> torch.Tensor:
    """Return random bytes of torch's own generator, eight at a draw, which is several times faster than one by one."""
    count = shape.numel()
    drawn = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return drawn.view(torch.uint8)[:count].view(shape)


@dataclass(frozen=True)
class Kernels:
    """The passes, either compiled or as they stand."""

    name: str
    norm: Callable[..., Any]
    add_norm: Callable[..., Any]
    add_norm_back: Callable[..., Any]
    rotate: Callable[..., Any]
    rotate_back: Callable[..., Any]
    gate: Callable[..., Any]
    gate_back: Callable[..., Any]
    drop: Callable[..., Any]
    add_dropped: Callable[..., Any]


_FUNCTIONS = (norm, add_norm, add_norm_back, rotate, rotate_back, gate, gate_back, drop, add_dropped)
PLAIN = Kernels("plain", *_FUNCTIONS)
_compiled: list[Kernels] = []


def can_compile() -> bool:
    """Return whether a C++ compiler is at hand."""
    if sys.platform == "win32":
        return shutil.which("cl") is not None
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)


def compiled() -> Kernels:
    """Return the compiled passes; the work is done at their first use, and once for all shapes."""
    if not _compiled:
        _compiled.append(Kernels("compiled", *(_compile(function) for function in _FUNCTIONS)))
    return _compiled[0]


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a pass so that it is never compiled again: it sees plain tensors, whoever calls."""
    inner = torch.compile(function, dynamic=True)

    def call(*arguments: Any) -> Any:
        with torch.no_grad():
            return inner(*(one.detach() if isinstance(one, torch.Tensor) else one for one in arguments))

    return call


_ready: list[bool] = []


def is_compiled() -> bool:
    """Return whether this process has compiled every pass already, so that using them costs no waiting."""
    return bool(_ready)


def compile_in_steps(kind: torch.dtype) -> Iterator[None]:
    """Compile the passes one after the other, on small inputs of the form that training gives them."""
    made = compiled()
    tokens, hidden, heads, key_value_heads, size = 256, 64, 4, 2, 16
    x, weight = torch.zeros(tokens, hidden), torch.ones(hidden)
    total, normed, scale = made.add_norm(x, x.to(kind), weight, 1e-6, kind)
    yield
    made.norm(x, weight, 1e-6, kind)
    yield
    made.add_norm_back(x, normed, total, scale, weight, kind)
    yield
    cos, sin = torch.ones(tokens, size), torch.zeros(tokens, size)
    mixed = torch.zeros(tokens, (heads + 2 * key_value_heads) * size, dtype=kind)
    query, key, value = made.rotate(mixed, cos, sin, heads, key_value_heads)
    yield
    # What comes back from attention lies in memory as attention left it: head by head.
    back = [torch.zeros(one.shape[1], tokens, size).transpose(0, 1) for one in (query, key, value)]
    made.rotate_back(*back, cos, sin, kind)
    yield
    both = torch.zeros(tokens, 128, dtype=kind)
    gated = made.gate(both, kind)
    yield
    made.gate_back(gated, both, kind)
    yield
    noise = random_bytes(x.shape)
    made.add_dropped(normed, made.drop(normed, noise, 13), noise, 13)
    _ready.append(True)
