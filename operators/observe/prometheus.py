"""What Prometheus knows of the arms of a rollout, window by window.

It is asked only at an address that the operator's own settings allow: a tenant writes the World,
and shall not have the operator call what it likes. What it says is not trusted: a slow, large or
odd answer is as no answer, and after one it is left alone for a while.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import aiohttp
from pydantic import BaseModel, ValidationError

from controllers.conditions import clip
from controllers.delivery.windows import ARMS, Queries, Told, WatchedArm, due, heard
from controllers.ensemble.rollout import analysis
from controllers.ensemble.rollout.terms import agreed
from controllers.plan import Children
from crds import ModelEnsemble, World
from operators import backoff
from operators.observe.reading import together
from operators.observe.reports import read

#: What one answer may take: a row of numbers.
MAX_BYTES = 256 * 1024
#: Seconds until it is asked again after it gave no answer.
SOON, SELDOM = 5.0, 120.0
#: Rollouts remembered.
MEMORY = 4096


class _Series(BaseModel):
    values: list[tuple[float, str]]


class _Data(BaseModel):
    result: list[_Series]


class _Answer(BaseModel):
    """Of the HTTP API, https://prometheus.io/docs/prometheus/latest/querying/api/."""

    status: Literal["success", "error"]
    data: _Data | None = None
    error: str = ""


class _NoAnswerError(Exception):
    """Nothing that counts; the message says why."""


@dataclass
class _Silence:
    failures: int
    until: float
    trouble: str


@dataclass
class Prometheus:
    """Asks for what the guardrails of a rollout need.

    Args:
        session: connections that follow no redirect and use no proxy.
        allowed: the addresses that may be called.
        clock: seconds.
        now: the time.
        timeout: seconds for one answer.
    """

    session: aiohttp.ClientSession
    allowed: tuple[str, ...]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    timeout: float = 5
    _silent: dict[str, _Silence] = field(default_factory=dict)

    async def __call__(
        self, ensemble: ModelEnsemble, world: World | None, children: Children
    ) -> Told | None:
        """What it says of the windows that are over and do not count yet; None where it is not to
        be asked."""
        meta, status = ensemble.metadata, ensemble.status.rollout
        terms = agreed(ensemble.spec.rollout, world, self.allowed)
        if terms.queries is None or not analysis.is_open(status, terms):
            return None
        queries, salt = terms.queries, status.salt
        before = self._silent.get(salt)
        if before and self.clock() < before.until:
            return Told(trouble=before.trouble)
        stored = children.owned_by(meta.uid).get("ConfigMap", analysis.config_map_name(meta.name))
        counted = analysis.counted_window(queries, status, stored)
        now = self.now()
        asked = due(queries, datetime.fromisoformat(status.started_at), counted, now)
        if not asked:
            return Told()
        pairs = [(metric, arm) for metric in queries.texts for arm in ARMS]
        try:
            answers = await together(*(self._ask(queries, *pair, salt, asked) for pair in pairs))
        except _NoAnswerError as error:
            return Told(trouble=self._left_alone(salt, str(error)))
        self._silent.pop(salt, None)
        windows = heard(asked, dict(zip(pairs, answers, strict=True)))
        more = bool(due(queries, datetime.fromisoformat(status.started_at), asked[-1], now))
        return Told(windows, asked[-1], more)

    async def _ask(
        self, queries: Queries, metric: str, arm: WatchedArm, rollout: str, asked: range
    ) -> dict[int, float]:
        """The values of a metric in an arm, by the number of the window.

        Raises:
            _NoAnswerError
        """
        seconds, where = queries.seconds, f"Prometheus at {queries.address}"
        form = {
            "query": queries.about(metric, arm, rollout),
            "start": str((asked[0] + 1) * seconds),
            "end": str((asked[-1] + 1) * seconds),
            "step": str(seconds),
            "timeout": f"{self.timeout:g}",
        }
        try:
            async with self.session.post(
                f"{queries.address.rstrip('/')}/api/v1/query_range",
                data=form,
                timeout=aiohttp.ClientTimeout(total=self.timeout),
                allow_redirects=False,
            ) as response:
                answer = _Answer.model_validate_json(await read(response, MAX_BYTES))
        except ValidationError:
            raise _NoAnswerError(f"{where} says nothing that can be read") from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _NoAnswerError(f"{where} does not answer ({type(error).__name__})") from None
        if answer.data is None:
            why = clip(" ".join(answer.error.split()), 160)
            raise _NoAnswerError(f"{where} refuses the query of {metric}: {why}")
        if len(answer.data.result) > 1:
            raise _NoAnswerError(
                f"the query of {metric} gives {len(answer.data.result)} series for one arm; put "
                "sum() around it"
            )
        try:
            return {
                round(at / seconds) - 1: float(value)
                for series in answer.data.result
                for at, value in series.values
            }
        except (ValueError, OverflowError):
            raise _NoAnswerError(f"{where} says nothing that can be read") from None

    def _left_alone(self, rollout: str, trouble: str) -> str:
        """Note that it gave no answer, and when it is asked again."""
        if len(self._silent) >= MEMORY:
            self._silent.clear()
        before = self._silent.get(rollout)
        failures = before.failures + 1 if before else 1
        until = self.clock() + backoff.delay(failures, base=SOON, cap=SELDOM)
        self._silent[rollout] = _Silence(failures, until, trouble)
        return trouble
