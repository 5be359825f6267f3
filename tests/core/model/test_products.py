"""Products by convolution are the products, wherever they are chosen."""

import pytest

pytest.importorskip("torch", reason="the network needs torch, which Blender's own Python does not have")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from image_to_scene.core.model import products

SAME = 2e-5


@pytest.fixture(params=[False, True], ids=["as torch does", "by convolution"])
def choice(request, monkeypatch):
    """Decide what the machine would."""
    for name in ("convolves_faster", "attends_faster"):
        monkeypatch.setattr(products, name, lambda threads: request.param)
    return request.param


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=3), st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_convolution_is_the_product(shape, inputs, outputs, is_turned):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, inputs, generator=generator)
    if is_turned and len(shape) > 1:
        x = x.transpose(0, 1)
    weight, bias = (torch.randn(*size, generator=generator) for size in ((outputs, inputs), (outputs,)))
    convolved = products._convolve(x, weight, bias)
    assert convolved.shape == (*x.shape[:-1], outputs)
    torch.testing.assert_close(convolved, functional.linear(x, weight, bias), rtol=SAME, atol=SAME)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 90), st.sampled_from([8, 32, 64]), st.integers(1, 100))
def test_attention_by_rows_is_attention(batch, heads, tokens, channels, rows):
    """Also of tokens whose heads come first in memory, as blocks make them."""
    generator = torch.Generator().manual_seed(1)
    parts = [torch.randn(heads, batch, tokens, channels, generator=generator).transpose(0, 1) for _ in range(3)]
    attended = products._attend_by_rows(*parts, rows)
    torch.testing.assert_close(attended, functional.scaled_dot_product_attention(*parts), rtol=SAME, atol=SAME)


@torch.inference_mode()
def test_layers_and_attention_are_the_same_either_way(choice):
    layer = products.Linear(24, 40)
    plain = nn.Linear(24, 40)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, 30, 24)
    torch.testing.assert_close(layer(x), plain(x), rtol=SAME, atol=SAME)
    q, k, v = torch.randn(3, 1, 2, 600, 64)
    expected = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(products.attend(q, k, v), expected, rtol=SAME, atol=SAME)


@pytest.mark.parametrize("tokens", [1, 255, 256, 2000, 9216, 9217])
def test_scores_that_are_held_are_few(tokens, choice, monkeypatch):
    """So many rows at a time that they fit, and torch's own way where those would be too few."""
    held = []
    monkeypatch.setattr(products, "_attend_by_rows", lambda q, k, v, rows: held.append(rows))
    monkeypatch.setattr(functional, "scaled_dot_product_attention", lambda q, k, v: None)
    with torch.inference_mode():
        products.attend(*torch.empty(3, 1, 1, tokens, 8))
    assert bool(held) == (choice and 256 <= tokens <= 9216)
    assert all(256 <= rows <= 1024 and rows * tokens <= products._SCORES for rows in held)


def test_what_learns_and_half_precision_stay_with_torch(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("convolved")

    for name in ("convolves_faster", "attends_faster"):
        monkeypatch.setattr(products, name, lambda threads: True)
    for name in ("_convolve", "_attend_by_rows"):
        monkeypatch.setattr(products, name, refuse)
    layer, x = products.Linear(8, 8), torch.randn(1, 1, 600, 8)
    layer(x).sum().backward()
    products.attend(x, x, layer(x))
    with torch.inference_mode():
        products.attend(*(x.bfloat16() for _ in range(3)))
        with torch.autocast("cpu", torch.bfloat16):
            layer(x)


def test_a_way_must_be_clearly_faster(monkeypatch):
    taken = {"way": 1.0, "usual": 1.05}
    monkeypatch.setattr(products, "_seconds", lambda work: taken[work()])
    assert not products._is_faster(lambda: "way", lambda: "usual")
    taken["usual"] = 1.2
    assert products._is_faster(lambda: "way", lambda: "usual")


@pytest.mark.parametrize("decide", [products.convolves_faster, products.attends_faster])
def test_the_machine_is_asked_once(decide, monkeypatch):
    decide.cache_clear()
    asked = []
    monkeypatch.setattr(products, "_is_faster", lambda way, usual: bool(asked.append((way(), usual()))))
    assert not decide(1)
    assert not decide(1)
    (pair,) = asked
    torch.testing.assert_close(*pair, rtol=SAME, atol=SAME)
    decide.cache_clear()
