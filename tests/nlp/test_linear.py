"""The fast tier's model on disk."""

from __future__ import annotations

import numpy as np

from nlp.linear import storable


def test_stored_weights_are_close_and_stay_as_they_are() -> None:
    weights = np.random.default_rng(3).normal(0, 2, (500, 7)).astype(np.float32)
    weights[0, 0] = 0
    once = storable(weights)
    assert once.dtype == np.float16
    assert once[0, 0] == 0
    assert np.all(np.abs(once.astype(np.float32) - weights) <= np.abs(weights) * 2**-5)
    assert np.array_equal(storable(once.astype(np.float32)), once)
    assert not (once.view(np.uint16) & 0b11111).any()
