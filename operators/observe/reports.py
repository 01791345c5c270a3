"""What gateways say of themselves. It comes from pods of a tenant, so it is not trusted: a slow,
large or odd answer is as no answer."""

import ipaddress
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

import aiohttp
import structlog
from pydantic import ValidationError

from controllers.plan import Object, controller_of
from crds.base import Model
from crds.gateway import GatewayReport
from crds.observations import Observations
from operators.observe.reading import together

log = structlog.get_logger(__name__)

PORT = 8080
MAX_BYTES = 64 * 1024
#: What observations of one gateway may take.
MAX_OBSERVED_BYTES = 2 * 1024 * 1024
#: Longest name of a log: it is kept in a checkpoint.
MAX_LOG_NAME = 400

_M = TypeVar("_M", bound=Model)


class Gateways:
    """Asks the gateways of a Storyteller, each by the address of its pod.

    Args:
        session: connections that follow no redirect and use no proxy.
        timeout: seconds for one answer.
        port: where gateways listen.
    """

    def __init__(
        self, session: aiohttp.ClientSession, *, timeout: float = 2, port: int = PORT
    ) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._port = port

    async def ask(
        self,
        storyteller: str,
        pods: Sequence[Object],
        since: Mapping[str, int] = MappingProxyType({}),
    ) -> Mapping[str, GatewayReport]:
        """Reports by pod name; a gateway that gave none is absent.

        Args:
            storyteller: whose gateways.
            pods: which may be asked.
            since: the size from which on each pod is to prove its log.
        """
        asked = [pod for pod in pods if may_ask(storyteller, pod)]
        answers = await together(
            *(self._report(storyteller, pod, since.get(pod["metadata"]["name"])) for pod in asked)
        )
        return {
            pod["metadata"]["name"]: report
            for pod, report in zip(asked, answers, strict=True)
            if report
        }

    async def _report(
        self, storyteller: str, pod: Object, since: int | None
    ) -> GatewayReport | None:
        params = {} if since is None else {"auditSince": str(since)}
        report = await self._get(pod, "/v1/status", params, GatewayReport, MAX_BYTES)
        return report if report and report.storyteller == storyteller else None

    async def observations(
        self, storyteller: str, pod: Object, rollout: str, after: int | None, limit: int
    ) -> Observations | None:
        """What one gateway saw of a rollout, from an entry of its log on; None where that is not
        known. See `ask` for who is asked.

        Args:
            storyteller: whose gateway.
            pod: which.
            rollout: the salt of the rollout.
            after: the last entry that is known; None: from the first.
            limit: how many at most.
        """
        if not may_ask(storyteller, pod):
            return None
        params = {"rollout": rollout, "limit": str(limit)}
        if after is not None:
            params["after"] = str(after)
        said = await self._get(pod, "/v1/observations", params, Observations, MAX_OBSERVED_BYTES)
        if said is None or said.rollout != rollout or len(said.log) > MAX_LOG_NAME:
            return None
        numbers = [-1 if after is None else after, *(each.sequence for each in said.observations)]
        rising = all(one < other for one, other in pairwise(numbers))
        return said if rising and len(said.observations) <= limit else None

    async def _get(
        self, pod: Object, path: str, params: Mapping[str, str], model: type[_M], limit: int
    ) -> _M | None:
        address = ipaddress.ip_address(pod["status"]["podIP"])
        host = f"[{address}]" if address.version == 6 else str(address)
        name = pod["metadata"]["name"]
        try:
            async with self._session.get(
                f"http://{host}:{self._port}{path}",
                params=params,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    log.debug("a gateway says no", pod=name, path=path, status=response.status)
                    return None
                return model.model_validate_json(await read(response, limit))
        except (TimeoutError, aiohttp.ClientError, OSError, ValidationError) as error:
            kind = type(error).__name__
            log.debug("a gateway gave no usable answer", pod=name, path=path, error=kind)
            return None


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, as far as it may go.

    Raises:
        aiohttp.ClientPayloadError: it is longer than that.
    """
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > limit:
            raise aiohttp.ClientPayloadError(f"longer than {limit} bytes")
    return bytes(body)


def may_ask(storyteller: str, pod: Object) -> bool:
    """Whether this is a running pod of the Storyteller's own StatefulSet in the pod network, and
    not one that a tenant labelled so that the operator calls some other address."""
    owner = controller_of(pod)
    return (
        owner is not None
        and (owner["kind"], owner["name"]) == ("StatefulSet", f"{storyteller}-gateway")
        and not pod["spec"].get("hostNetwork")
        and pod.get("status", {}).get("phase") == "Running"
        and bool(pod["status"].get("podIP"))
    )
