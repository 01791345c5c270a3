"""Which texts of a decision mean the same, found beside the event loop.

One thread does it for the whole gateway: a text takes some 5 to 10 ms of one core, and no more
than one core shall be taken from the members' streams. When there is no time for it, or no model,
texts count as they are and the heaviest member's words are told.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from runtime.audit import Candidate
from runtime.audit.replay import ballots_of
from runtime.consensus.clusters import leaders

if TYPE_CHECKING:
    from runtime.embedding import Matrix

log = structlog.get_logger(__name__)

#: Vectors that are kept: those of decisions under way, whose texts come one after the other.
_KEPT = 1024


class Embedder(Protocol):
    """What turns texts into vectors of length 1, as rows."""

    def embed(self, texts: Sequence[str]) -> "Matrix":
        """One row for each text."""
        ...


class Meaning:
    """Groups texts. The model is loaded with the first ones."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="meaning")
        self._vectors: dict[str, Matrix] = {}
        self._broken = False

    async def group(self, candidates: Sequence[Candidate], seconds: float) -> list[Candidate]:
        """The candidates with whom each follows. Takes no longer than ``seconds``."""
        apart = [each.model_copy(update={"follows": None}) for each in candidates]
        texts = [each.answer for each in candidates if each.answer is not None]
        if self._broken or len(texts) < 2:
            return apart
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await loop.run_in_executor(self._thread, partial(self._learn, texts))
        except TimeoutError:
            return apart
        except Exception:
            # It stays broken: a model that cannot be loaded is not missed more with every answer.
            self._broken = True
            log.exception("texts_not_grouped")
            return apart
        found = leaders(ballots_of(apart), self._similarity(apart))
        return [
            each.model_copy(update={"follows": leader})
            for each, leader in zip(apart, found, strict=True)
        ]

    async def embed(self, texts: Sequence[str]) -> "list[Matrix]":
        """One vector of length 1 for each text.

        Raises:
            Exception: whatever the model raises; it is not asked again after that.
        """
        if self._broken:
            raise RuntimeError("the model that compares texts could not be loaded")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(self._vectors_of, texts))
        except Exception:
            self._broken = True
            raise

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _vectors_of(self, texts: Sequence[str]) -> "list[Matrix]":
        self._learn(texts)
        return [self._vectors[text] for text in texts]

    def _learn(self, texts: Sequence[str]) -> None:
        if self._embedder is None:
            # Only who compares texts pays for the libraries, and for no more threads than this one.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            from runtime.embedding import MiniLM

            self._embedder = MiniLM()
        for text in texts:
            if text not in self._vectors:
                while len(self._vectors) >= _KEPT:
                    self._vectors.pop(next(iter(self._vectors)))
                self._vectors[text] = self._embedder.embed([text])[0]

    def _similarity(self, candidates: Sequence[Candidate]) -> list[list[float]]:
        known = [self._vectors.get(each.answer or "") for each in candidates]
        return [
            [0.0 if one is None or other is None else float(one @ other) for other in known]
            for one in known
        ]
