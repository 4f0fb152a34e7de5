"""Packing of streams: lane-to-bit mapping, round trips, refusals."""

import numpy as np
import pytest

from board.packing import bytes_per_beat, pack_stream, unpack_stream


def test_element_zero_is_at_bit_zero():
    beats = pack_stream(np.array([[1, 2, 3, 4]]), pe=2, bits=4)
    assert beats.tolist() == [[0x21], [0x43]]


def test_odd_widths_pad_the_top_of_the_beat_with_zeros():
    beats = pack_stream(np.array([[7, 7, 7]]), pe=3, bits=3)
    assert beats.tolist() == [[0xFF, 0x01]]


def test_negative_values_are_twos_complement():
    assert pack_stream(np.array([[-1, -8]]), pe=2, bits=4).tolist() == [[0x8F]]


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 8, 11, 16, 19, 32, 47])
@pytest.mark.parametrize("pe", [1, 2, 5, 10])
@pytest.mark.parametrize("signed", [False, True])
def test_round_trip(bits, pe, signed):
    rng = np.random.default_rng(bits * 100 + pe)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    array = rng.integers(low, high, size=(2, 3, 4, 10))
    beats = pack_stream(array, pe, bits)
    assert beats.shape == (array.size // pe, bytes_per_beat(pe, bits))
    assert np.array_equal(unpack_stream(beats, array.shape, pe, bits, signed), array)


def test_refuses_channels_that_do_not_fold():
    with pytest.raises(ValueError, match="10 channels do not divide into beats of 3"):
        pack_stream(np.zeros((1, 10)), 3, 4)


def test_refuses_values_that_do_not_fit():
    with pytest.raises(ValueError, match="do not fit 4 bits"):
        pack_stream(np.array([[16]]), 1, 4)


def test_refuses_a_wrong_number_of_beats():
    with pytest.raises(ValueError, match="3 beats of 2 elements cannot fill"):
        unpack_stream(np.zeros((3, 1), np.uint8), (1, 4), 2, 4)


def test_refuses_beats_that_are_too_narrow():
    with pytest.raises(ValueError, match="fewer than the 2 bytes"):
        unpack_stream(np.zeros((1, 1), np.uint8), (1, 3), 3, 4)
