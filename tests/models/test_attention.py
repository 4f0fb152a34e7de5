"""Attention against PyTorch's own, stochastic depth, and the order of tokens."""

import pytest
import torch
from torch.nn import functional as F

from models.attention import Attention, StochasticDepth, map_of, tokens_of
from models.lucf_net import SparseAttention


def test_attention_is_that_of_pytorch():
    torch.manual_seed(8)
    attention = Attention(12, heads=3).double()
    asked, context = torch.randn(2, 5, 12).double(), torch.randn(2, 7, 12).double()
    heads = lambda x: x.view(2, -1, 3, 4).transpose(1, 2)  # noqa: E731
    key, value = attention.key_value(context).split(12, dim=2)
    answers = F.scaled_dot_product_attention(heads(attention.query(asked)), heads(key), heads(value))
    expected = attention.out(answers.transpose(1, 2).reshape(2, 5, 12))
    assert torch.allclose(attention(asked, context), expected)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="12 channels do not divide into 5 heads"):
        Attention(12, heads=5)


def test_tokens_are_pixels_row_by_row():
    image = torch.randn(2, 3, 4, 5)
    assert torch.equal(tokens_of(image)[1, 2 * 5 + 3], image[1, :, 2, 3])
    assert torch.equal(map_of(tokens_of(image), (4, 5)), image)


def test_sparse_attention_asks_every_other_pixel_alone():
    torch.manual_seed(8)
    attention = SparseAttention(4, heads=2, stride=2).eval()
    image = torch.randn(1, 4, 6, 8)
    before = attention(tokens_of(image), (6, 8))
    image[:, :, 1::2], image[:, :, :, 1::2] = 7.0, 9.0
    assert torch.equal(attention(tokens_of(image), (6, 8)), before)
    image[:, :, 2, 4] = 11.0
    assert not torch.equal(attention(tokens_of(image), (6, 8)), before)


def test_stochastic_depth_drops_whole_images_in_training_only():
    torch.manual_seed(8)
    drop, x = StochasticDepth(0.25), torch.rand(400, 3, 2) + 1
    kept = drop(x) / x
    assert torch.allclose(kept, 4 / 3 * (kept > 0))
    assert torch.equal(kept.amin(dim=(1, 2)) > 0, kept.amax(dim=(1, 2)) > 0)
    assert float(kept.mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(drop.eval()(x), x)
