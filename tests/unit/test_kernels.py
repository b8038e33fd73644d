"""The hand-written passes against what torch computes and derives by itself, in double precision."""

import sys

import pytest
import torch
import torch.nn.functional as F
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from core.model import kernels

TOKENS, HIDDEN = 6, 8
HEADS, KEY_VALUE_HEADS, SIZE = 4, 2, 6
KIND = torch.float64
EPS = 1e-6


def numbers(*shape: int, seed: int = 0, grad: bool = False) -> torch.Tensor:
    made = torch.randn(*shape, dtype=KIND, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_(grad)


def angles() -> tuple[torch.Tensor, torch.Tensor]:
    half = numbers(TOKENS, SIZE // 2, seed=9)
    both = torch.cat([half, half], dim=-1)
    return both.cos(), both.sin()


def test_norm_is_the_rms_norm_of_torch() -> None:
    x, weight = numbers(TOKENS, HIDDEN), numbers(HIDDEN, seed=1)
    normed, scale = kernels.norm(x, weight, EPS, KIND)
    torch.testing.assert_close(normed, F.rms_norm(x, (HIDDEN,), weight, EPS))
    torch.testing.assert_close(scale, 1 / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt())


def test_add_norm_and_its_way_back_are_those_of_autograd() -> None:
    x, y, weight = numbers(TOKENS, HIDDEN, grad=True), numbers(TOKENS, HIDDEN, seed=1, grad=True), numbers(HIDDEN)
    total, normed, scale = kernels.add_norm(x.detach(), y.detach(), weight, EPS, KIND)
    expected = F.rms_norm(x + y, (HIDDEN,), weight, EPS)
    torch.testing.assert_close(total, (x + y).detach())
    torch.testing.assert_close(normed, expected.detach())
    outer, outer_normed = numbers(TOKENS, HIDDEN, seed=2), numbers(TOKENS, HIDDEN, seed=3)
    ((x + y) * outer + expected * outer_normed).sum().backward()
    of_x, of_y = kernels.add_norm_back(outer, outer_normed, total, scale, weight, KIND)
    torch.testing.assert_close(of_x, x.grad)
    torch.testing.assert_close(of_y, y.grad)


def fused() -> torch.Tensor:
    return numbers(TOKENS, (HEADS + 2 * KEY_VALUE_HEADS) * SIZE).float()


def test_rotate_turns_queries_and_keys_as_transformers_does_and_leaves_values() -> None:
    cos, sin = (one.float() for one in angles())
    mixed = fused()
    query, key, value = kernels.rotate(mixed, cos, sin, HEADS, KEY_VALUE_HEADS)
    q, k, v = mixed.split([HEADS * SIZE, KEY_VALUE_HEADS * SIZE, KEY_VALUE_HEADS * SIZE], dim=1)
    by_head = [part.view(1, TOKENS, -1, SIZE).transpose(1, 2) for part in (q, k)]
    wanted_q, wanted_k = apply_rotary_pos_emb(*by_head, cos[None], sin[None])
    torch.testing.assert_close(query, wanted_q[0].transpose(0, 1))
    torch.testing.assert_close(key, wanted_k[0].transpose(0, 1))
    torch.testing.assert_close(value, v.view(TOKENS, KEY_VALUE_HEADS, SIZE))


def test_rotate_back_is_what_autograd_derives() -> None:
    cos, sin = (one.float() for one in angles())
    mixed = fused().requires_grad_(True)
    parts = kernels.rotate(mixed, cos, sin, HEADS, KEY_VALUE_HEADS)
    outer = [torch.randn_like(part) for part in parts]
    sum((part * one).sum() for part, one in zip(parts, outer, strict=True)).backward()  # type: ignore[union-attr]
    back = kernels.rotate_back(*outer, cos, sin, torch.float32)
    torch.testing.assert_close(back, mixed.grad)


def test_gate_and_its_way_back_are_those_of_autograd() -> None:
    both = numbers(TOKENS, 2 * HIDDEN).float().requires_grad_(True)
    gated, up = both.chunk(2, dim=-1)
    expected = F.silu(gated) * up
    torch.testing.assert_close(kernels.gate(both.detach(), torch.float32), expected.detach())
    outer = numbers(TOKENS, HIDDEN, seed=5).float()
    (expected * outer).sum().backward()
    torch.testing.assert_close(kernels.gate_back(outer, both.detach(), torch.float32), both.grad)


@pytest.mark.parametrize("threshold", [13, 128, 255])
def test_dropped_places_are_those_below_the_threshold_and_the_mean_is_kept(threshold: int) -> None:
    every_byte = torch.arange(256, dtype=torch.uint8)
    kept = kernels.drop(torch.ones(256), every_byte, threshold)
    assert torch.equal(kept == 0, every_byte < threshold)
    assert kept.mean().item() == pytest.approx(1.0)


def test_the_gradient_comes_back_through_the_places_that_were_kept_only() -> None:
    noise = kernels.random_bytes(torch.Size([TOKENS, HIDDEN]))
    x, outer = numbers(TOKENS, HIDDEN, grad=True), numbers(TOKENS, HIDDEN, seed=7)
    (kernels.drop(x, noise, 100) * outer).sum().backward()
    before = numbers(TOKENS, HIDDEN, seed=8)
    torch.testing.assert_close(kernels.add_dropped(before, outer, noise, 100), before + x.grad)


def test_random_bytes_come_from_the_seed_and_are_even() -> None:
    torch.manual_seed(3)
    first = kernels.random_bytes(torch.Size([1000, 257]))
    torch.manual_seed(3)
    assert torch.equal(first, kernels.random_bytes(torch.Size([1000, 257])))
    assert first.shape == (1000, 257)
    counts = torch.bincount(first.flatten().long(), minlength=256).double()
    # 257,000 draws into 256 boxes: chi-squared has mean 255 and deviation 23.
    assert float(((counts - counts.mean()) ** 2 / counts.mean()).sum()) < 255 + 6 * 23


@pytest.mark.skipif(sys.platform == "win32", reason="the search for cl.exe is another one")
@pytest.mark.parametrize(("there", "expected"), [("g++", True), ("clang++", True), ("gcc", False), (None, False)])
def test_compiling_needs_a_cpp_compiler(there: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.shutil, "which", lambda name: name if name == there else None)
    monkeypatch.delenv("CXX", raising=False)
    assert kernels.can_compile() is expected


def test_a_compiler_named_by_cxx_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.shutil, "which", lambda name: name if name == "my-compiler" else None)
    monkeypatch.setenv("CXX", "my-compiler")
    assert kernels.can_compile()
