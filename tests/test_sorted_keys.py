"""Keys are put in order as a stable sort does, and those that occur again are found."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from service.sorted_keys import beginnings, occurring_again, sorted_keys


@pytest.mark.parametrize(("size", "below"), [(0, 5), (1, 5), (2, 1), (300, 40), (300, 2**40), (1024, 7)])
def test_keys_in_order_with_their_places(size: int, below: int) -> None:
    keys = np.random.default_rng(size).integers(0, below, size)
    ordered, places = sorted_keys(keys)
    np.testing.assert_array_equal(places, np.argsort(keys, kind="stable"))
    np.testing.assert_array_equal(ordered, np.sort(keys))
    times = Counter(keys.tolist())
    assert ordered[beginnings(ordered)].tolist() == sorted(times)
    assert ordered[occurring_again(ordered)].tolist() == sorted(one for one in keys.tolist() if times[one] > 1)
