"""Examples end to end: what is packed, who sees whom, and the loss of the pieces."""

import pytest
import torch
import torch.nn.functional as F
from transformers import Gemma2Config, GPT2Config, Lfm2Config, LlamaConfig, MistralConfig

from core.model import packed

CPU = torch.device("cpu")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def documents(*lengths: int) -> packed.Documents:
    return packed.Documents(lengths, torch.tensor((0, *lengths)).cumsum(0))


# The batch


def test_a_batch_holds_the_examples_end_to_end_with_positions_of_their_own() -> None:
    batch = packed.make_batch([((5, 6, 7), 2), ((8, 9, 10, 11), 1)], CPU)
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 10, 11]]
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    assert batch.documents.lengths == (3, 4)
    assert batch.documents.offsets.tolist() == [0, 3, 7]
    assert batch.documents.longest == 4
    assert batch.tokens == 7


def test_only_response_tokens_are_targets_each_predicted_from_the_place_before() -> None:
    batch = packed.make_batch([((5, 6, 7), 2), ((8, 9, 10, 11), 1)], CPU)
    assert batch.predicting.tolist() == [1, 3, 4, 5]
    assert batch.targets.tolist() == [7, 9, 10, 11]


def test_the_first_token_of_an_example_is_never_predicted_from_the_example_before() -> None:
    batch = packed.make_batch([((5, 6), 0), ((8, 9, 10), 0)], CPU)
    assert batch.predicting.tolist() == [0, 2, 3]
    assert batch.targets.tolist() == [6, 9, 10]


# Attention


def dense(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, seen: torch.Tensor, scaling: float) -> torch.Tensor:
    """Attention by its definition, in double precision, with all heads and a mask of who sees whom."""
    groups = q.shape[1] // k.shape[1]
    k, v = (part.repeat_interleave(groups, dim=1) for part in (k, v))
    scores = q.double() @ k.double().transpose(-1, -2) * scaling
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return (weights @ v.double()).float().transpose(1, 2)


def who_sees_whom(lengths: tuple[int, ...], window: int | None) -> torch.Tensor:
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    place = torch.arange(sum(lengths))
    distance = place[:, None] - place
    near = distance < window if window else torch.ones_like(distance, dtype=torch.bool)
    return (owner[:, None] == owner) & (distance >= 0) & near


@pytest.mark.parametrize("window", [None, 1, 3, 100])
@pytest.mark.parametrize("key_value_heads", [1, 2, 4])
def test_each_token_sees_the_earlier_ones_of_its_own_example(key_value_heads: int, window: int | None) -> None:
    lengths = (5, 1, 9)
    q = numbers(1, 4, 15, 6)
    k, v = numbers(1, key_value_heads, 15, 6, seed=1), numbers(1, key_value_heads, 15, 6, seed=2)
    out, _ = packed.attend(None, q, k, v, None, scaling=0.3, documents=documents(*lengths), sliding_window=window)
    torch.testing.assert_close(out, dense(q, k, v, who_sees_whom(lengths, window), 0.3), atol=1e-5, rtol=1e-5)


def test_what_another_example_holds_changes_nothing() -> None:
    q, k, v = (numbers(1, 2, 8, 4, seed=seed) for seed in (1, 2, 3))
    before, _ = packed.attend(None, q, k, v, None, documents=documents(3, 5))
    for part in (q, k, v):
        part[:, :, :3] = 1e4
    after, _ = packed.attend(None, q, k, v, None, documents=documents(3, 5))
    assert torch.equal(before[:, 3:], after[:, 3:])


def test_attention_keeps_the_number_format_of_the_query() -> None:
    q, k, v = (numbers(1, 2, 4, 4, seed=seed).bfloat16() for seed in (1, 2, 3))
    assert packed.attend(None, q, k, v, None, documents=documents(4))[0].dtype == torch.bfloat16


def test_attention_without_documents_is_refused_since_everything_would_see_everything() -> None:
    q = numbers(1, 2, 4, 4)
    with pytest.raises(ValueError, match="documents"):
        packed.attend(None, q, q, q, None)


@pytest.mark.parametrize("name", ["s_aux", "softcap", "position_bias"])
def test_attention_of_another_kind_is_refused_instead_of_computed_wrongly(name: str) -> None:
    q = numbers(1, 2, 4, 4)
    with pytest.raises(ValueError, match=name):
        packed.attend(None, q, q, q, None, documents=documents(4), **{name: torch.ones(2)})
    packed.attend(None, q, q, q, None, documents=documents(4), **{name: None})


# Which bases


def base_like(config: object, **attributes: object) -> torch.nn.Module:
    made = torch.nn.Linear(1, 1)
    made.config = config
    made._supports_attention_backend = True
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def test_plain_attention_over_transformers_interface_can_be_packed() -> None:
    assert packed.can_pack(base_like(LlamaConfig()))
    assert packed.can_pack(base_like(MistralConfig(sliding_window=8)))


def test_bases_that_packing_would_compute_wrongly_are_not_packed() -> None:
    assert not packed.can_pack(base_like(GPT2Config(), _supports_attention_backend=False))
    assert not packed.can_pack(base_like(Gemma2Config()))  # caps its attention scores
    mixed = Lfm2Config(num_hidden_layers=2, layer_types=["conv", "full_attention"])
    assert not packed.can_pack(base_like(mixed))  # convolutions reach from one example into the next
    assert not packed.can_pack(base_like(LlamaConfig(), _is_stateful=True))  # so do states
    with_sinks = base_like(LlamaConfig())
    with_sinks.register_parameter("sinks", torch.nn.Parameter(torch.zeros(2)))
    assert not packed.can_pack(with_sinks)


class Switching:
    """A model that only remembers which attention it was switched to."""

    def __init__(self) -> None:
        self.config = LlamaConfig(attn_implementation="sdpa")
        self._answering_attention = "sdpa"

    def set_attn_implementation(self, name: str) -> None:
        self.config._attn_implementation = name


def test_the_attention_is_switched_back_even_when_the_block_fails() -> None:
    model = Switching()
    with pytest.raises(KeyError), packed.attending(model, "packed"):
        assert model.config._attn_implementation == "packed"
        raise KeyError
    assert model.config._attn_implementation == "sdpa"


# The loss of the output layer


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("rows", [1, 32, 70])
def test_head_loss_and_its_gradient_are_those_of_the_whole_product(
    rows: int, with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "LOGITS_BYTES_PER_CHUNK", 1)  # the smallest pieces: 32 rows
    weight, bias = numbers(11, 6), numbers(11, seed=1) if with_bias else None
    targets = torch.arange(rows) % 11
    whole, pieces = (numbers(rows, 6, seed=2).requires_grad_(True) for _ in range(2))
    expected = F.cross_entropy(F.linear(whole, weight, bias), targets, reduction="sum")
    total = packed.HeadLoss.apply(pieces, weight, bias, targets, rows)
    torch.testing.assert_close(total, expected)
    (0.5 * expected).backward()
    (0.5 * total).backward()
    torch.testing.assert_close(pieces.grad, whole.grad)
    each = packed.head_losses(whole.detach(), weight, bias, targets)
    torch.testing.assert_close(each, F.cross_entropy(F.linear(whole, weight, bias), targets, reduction="none").detach())


def test_rows_of_filling_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LOGITS_BYTES_PER_CHUNK", 1)
    weight, targets = numbers(11, 6), torch.arange(64) % 11
    hidden = numbers(64, 6, seed=2).requires_grad_(True)
    total = packed.HeadLoss.apply(hidden, weight, None, targets, 20)
    expected = F.cross_entropy(F.linear(hidden[:20], weight), targets[:20], reduction="sum")
    torch.testing.assert_close(total, expected)
    total.backward()
    assert hidden.grad is not None
    assert hidden.grad[:20].abs().sum() > 0
    assert hidden.grad[20:].abs().sum() == 0
