"""Keys in order, with where each of them stood."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def sorted_keys(keys: Array) -> tuple[Array, Array]:
    """Integers from 0 in order, and their places before; equal ones stay in the order of their places.

    The same as a stable `argsort`, in a fraction of its time: numbers are sorted much quicker than their order is
    found, so each takes its place along. Keys and places together have to fit into 63 bits.
    """
    bits = len(keys).bit_length()
    packed = keys.astype(np.int64)  # a copy, changed in place
    packed <<= bits
    packed += np.arange(len(keys))
    packed.sort()
    return packed >> bits, packed & ((1 << bits) - 1)


def beginnings(ordered: Array) -> Array:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])


def occurring_again(ordered: Array) -> Array:
    """Where the keys stand that occur more than once."""
    if not len(ordered):
        return np.empty(0, dtype=np.int64)
    again = ordered[1:] == ordered[:-1]
    return np.flatnonzero(np.r_[again, False] | np.r_[False, again])
