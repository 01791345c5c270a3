"""Which files a uri means, and who brings them."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import aiohttp
from yarl import URL

from runtime.models.mlflow import Registry
from runtime.models.problems import ModelError
from runtime.models.s3 import s3_file
from runtime.models.transfer import Source
from runtime.models.web import Web, WebFile, authorization


async def files(
    uri: str,
    connections: aiohttp.ClientSession,
    credentials: Path | None,
    registry: Registry | None,
) -> Mapping[str, Source]:
    """The files of a model, by path below its folder.

    Raises:
        ModelError: the uri cannot be fetched, or the registry does not know it.
    """
    scheme = uri.partition(":")[0]
    if scheme == "mlflow" and registry:
        return await registry.files(await registry.version(uri))
    if scheme in ("http", "https"):
        url = URL(uri)
        secret = authorization(credentials, "token", "username", "password")
        web = Web(connections, secret, promised=credentials is not None)
        return {url.name: WebFile(web, url)}
    if scheme == "s3":
        file = s3_file(uri, credentials)
        return {PurePosixPath(file.key).name: file}
    raise ModelError("Unusable", f"{uri}: nothing here fetches {scheme}")
