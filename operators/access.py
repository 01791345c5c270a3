"""How to reach and convince the API server: from inside a pod, or by a kubeconfig.

The official client's loader reads both, so that exec plugins and client certificates work as they
do for kubectl; the requests themselves are plain aiohttp (see `operators.kube`).
"""

import os
import ssl
from dataclasses import dataclass
from functools import cached_property

from kubernetes.aio import config as loader
from kubernetes.aio.client import Configuration


class NoAccessError(Exception):
    """Neither a service account nor a usable kubeconfig."""


@dataclass(frozen=True)
class Access:
    """An API server and the means to be let in."""

    configuration: Configuration

    @property
    def server(self) -> str:
        return str(self.configuration.host).rstrip("/")

    @cached_property
    def tls(self) -> ssl.SSLContext:
        conf = self.configuration
        context = ssl.create_default_context(cafile=conf.ssl_ca_cert)
        # Newer Pythons refuse CAs without key identifiers, which many clusters have.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if conf.cert_file:
            context.load_cert_chain(conf.cert_file, keyfile=conf.key_file)
        if not conf.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def headers(self) -> dict[str, str]:
        """The Authorization header, with a token that is at most a minute old."""
        token = await self.configuration.get_api_key_with_prefix("BearerToken")
        if not token:
            return {}
        scheme, _, value = token.partition(" ")
        return {"Authorization": f"{scheme.capitalize()} {value}"}

    async def renew(self) -> None:
        """Ask for new credentials: those of a kubeconfig's exec plugin end after minutes."""
        await _read_into(self.configuration)


async def load() -> Access:
    """KUBECONFIG where it is set, else the pod's service account, else ~/.kube/config.

    Raises:
        NoAccessError: there is none of them; the message says what to set.
    """
    configuration = Configuration()
    await _read_into(configuration)
    return Access(configuration)


async def _read_into(configuration: Configuration) -> None:
    try:
        if not os.environ.get("KUBECONFIG") and os.environ.get("KUBERNETES_SERVICE_HOST"):
            loader.load_incluster_config(client_configuration=configuration)
        else:
            await loader.load_kube_config(
                config_file=os.environ.get("KUBECONFIG"),
                client_configuration=configuration,
                persist_config=False,
            )
    except (loader.ConfigException, OSError) as error:
        raise NoAccessError(
            f"no way to an API server: {error}; run in a pod with a ServiceAccount, or set "
            "KUBECONFIG"
        ) from None
