"""What gateways say of themselves. It comes from pods of a tenant, so it is not trusted: a slow,
large or odd answer is as no answer."""

import ipaddress
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import aiohttp
import structlog
from pydantic import ValidationError

from controllers.plan import Object, controller_of
from crds.gateway import GatewayReport
from operators.observe.reading import together

log = structlog.get_logger(__name__)

PORT = 8080
MAX_BYTES = 64 * 1024


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
        address = ipaddress.ip_address(pod["status"]["podIP"])
        host = f"[{address}]" if address.version == 6 else str(address)
        name = pod["metadata"]["name"]
        try:
            async with self._session.get(
                f"http://{host}:{self._port}/v1/status",
                params={} if since is None else {"auditSince": since},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    log.debug("a gateway has no report", pod=name, status=response.status)
                    return None
                report = GatewayReport.model_validate_json(await _read(response))
        except (TimeoutError, aiohttp.ClientError, OSError, ValidationError) as error:
            log.debug("a gateway gave no usable report", pod=name, error=type(error).__name__)
            return None
        return report if report.storyteller == storyteller else None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, as far as it may go.

    Raises:
        aiohttp.ClientPayloadError: it is longer than that.
    """
    body = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        body += chunk
        if len(body) > MAX_BYTES:
            raise aiohttp.ClientPayloadError(f"longer than {MAX_BYTES} bytes")
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
