"""The most alike first, whatever came and went before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.cache.nearest import Nearest


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80), st.integers(0, 100))
def test_it_finds_what_looking_at_each_would(steps: list[tuple[bool, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    nearest, kept = Nearest(4), {}
    for adds, number in steps:
        key = str(number)
        if adds and key not in kept:
            vector = rng.normal(size=4).astype(np.float32)
            kept[key] = vector / np.linalg.norm(vector)
            nearest.add(key, kept[key])
        elif not adds and key in kept:
            del kept[key]
            nearest.remove(key)
    asked = np.array([1, 0, 0, 0], np.float32)
    found = list(nearest.to(asked))
    assert len(nearest) == len(found) == len(kept)
    assert [cosine for _, cosine in found] == sorted((c for _, c in found), reverse=True)
    for key, cosine in found:
        assert np.isclose(cosine, min(1.0, float(kept[key] @ asked)), atol=1e-6)
