"""Texts as vectors, with the model that ships."""

import math

import numpy as np
import pytest

from runtime import embedding
from runtime.embedding import MiniLM, NoModelError, _erf


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def test_similarities_are_those_that_the_models_authors_show(model: MiniLM) -> None:
    one, *others = model.embed(
        [
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        ]
    )
    assert [float(other @ one) for other in others] == pytest.approx(
        [0.695, 0.943, 0.257], abs=0.001
    )


def test_vectors_have_length_one_and_do_not_depend_on_company(model: MiniLM) -> None:
    together = model.embed(["The gate opens.", "A bell rings, and then there is silence."])
    alone = model.embed(["The gate opens."])
    assert np.linalg.norm(together, axis=1) == pytest.approx([1, 1])
    assert together[0] == pytest.approx(alone[0], abs=1e-6)


@pytest.mark.parametrize("text", ["", " ", "灰が降る", "word " * 5000, "\ud7ff\x00\u202e"])
def test_any_text_has_a_vector(model: MiniLM, text: str) -> None:
    assert np.isfinite(model.embed([text])).all()


def test_the_error_function_is_as_exact_as_single_precision() -> None:
    x = np.linspace(-5, 5, 2001, dtype=np.float32)
    exact = [math.erf(value) for value in x]
    assert np.abs(_erf(x) - exact).max() < 5e-7


def test_without_the_wheel_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    with pytest.raises(NoModelError, match="make venv"):
        MiniLM()
