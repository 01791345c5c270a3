"""The gate that every write passes: fenced by the Lease, counted, and open to the fault switch.

The Lease itself is the only thing that is written past it.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from controllers.plan import Object, Ref
from operators.errors import AlreadyExistsError
from operators.faults import Fault
from operators.kube import Allowance
from operators.metrics import Metrics

T = TypeVar("T")


class WriteApi(Protocol):
    """The writing half of `operators.kube.Kube`."""

    async def apply(
        self, obj: Object, *, subresource: str = "", allowance: Allowance | None = None
    ) -> Object: ...

    async def create(self, obj: Object, *, allowance: Allowance | None = None) -> Object: ...

    async def merge_patch(
        self, ref: Ref, body: Object, *, allowance: Allowance | None = None
    ) -> Object: ...

    async def delete(self, ref: Ref, uid: str, *, allowance: Allowance | None = None) -> None: ...


class Writer:
    """Writes to the API server, as long as `allowance` lets them.

    Every method raises NotLeaderError, before anything is sent, when the Lease is not held for as
    long as the write may take.
    """

    def __init__(
        self, kube: WriteApi, allowance: Allowance, metrics: Metrics, fault: Fault
    ) -> None:
        self._kube = kube
        self._allowance = allowance
        self._metrics = metrics
        self._fault = fault
        self._count = 0

    async def apply(self, obj: Object) -> Object:
        """Server-side apply of a child."""
        return await self._pass(
            "apply", obj["kind"], lambda: self._kube.apply(obj, allowance=self._allowance)
        )

    async def apply_status(self, obj: Object) -> Object:
        """Server-side apply of a status; `obj` holds nothing else."""
        return await self._pass(
            "status",
            obj["kind"],
            lambda: self._kube.apply(obj, subresource="status", allowance=self._allowance),
        )

    async def delete(self, ref: Ref, uid: str) -> None:
        """Delete the object with this uid."""
        await self._pass(
            "delete", ref.kind, lambda: self._kube.delete(ref, uid, allowance=self._allowance)
        )

    async def create(self, obj: Object) -> Object | None:
        """Create; None where it is there already."""

        async def attempt() -> Object | None:
            try:
                return await self._kube.create(obj, allowance=self._allowance)
            except AlreadyExistsError:
                return None

        return await self._pass("create", obj["kind"], attempt)

    async def merge_patch(self, ref: Ref, body: Object) -> Object:
        """JSON merge patch."""
        return await self._pass(
            "patch",
            ref.kind,
            lambda: self._kube.merge_patch(ref, body, allowance=self._allowance),
        )

    async def _pass(self, verb: str, kind: str, send: Callable[[], Awaitable[T]]) -> T:
        self._allowance()
        self._count += 1
        number = self._count
        self._fault.strike(number, "before")
        self._metrics.writes.labels(verb, kind).inc()
        answer = await send()
        self._fault.strike(number, "after")
        return answer
