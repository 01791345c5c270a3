"""Objects of S3, and of stores that speak like it. The library signs, renews credentials of the
environment, and tries again; its words may quote a request, so none of them is passed on."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store
from typing_extensions import Buffer

from runtime.models.problems import ModelError
from runtime.models.transfer import Part
from runtime.models.web import CONNECT_SECONDS, SILENCE_SECONDS

#: Items of the Secret, and what the library calls them.
ITEMS = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
}
#: The environment has them where the cluster gives pods an identity.
_OF_THE_CLUSTER = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_CHUNK = 2**20


@dataclass(frozen=True)
class S3File:
    """An object."""

    store: S3Store = field(repr=False)
    uri: str
    key: str
    #: Seconds without a byte.
    silence: float = SILENCE_SECONDS
    #: Whether a Secret is named that has nothing in it.
    secretless: bool = False

    @property
    def name(self) -> str:
        return self.uri

    @asynccontextmanager
    async def read(self, start: int) -> AsyncIterator[Part]:
        try:
            yield await self._from(start)
        except (FileNotFoundError, PermissionDeniedError, UnauthenticatedError) as error:
            raise self._refused(error) from None
        except (BaseError, TimeoutError, ValueError, OSError) as error:
            told = f"{self.uri}: no whole answer ({type(error).__name__})"
            raise ModelError("Unreachable", told) from None

    async def _from(self, start: int) -> Part:
        async with asyncio.timeout(CONNECT_SECONDS + self.silence):
            size = (await obstore.head_async(self.store, self.key))["size"]
            # What is there already is the whole object, or more than that.
            if start >= size:
                return Part(start if size == start else 0, size, _nothing())
            found = await obstore.get_async(
                self.store, self.key, options={"range": {"offset": start}}
            )
        return Part(start, size, self._heard(aiter(found.stream(min_chunk_size=_CHUNK))))

    async def _heard(self, stream: AsyncIterator[Buffer]) -> AsyncIterator[bytes]:
        while True:
            async with asyncio.timeout(self.silence):
                try:
                    chunk = await anext(stream)
                except StopAsyncIteration:
                    return
            yield bytes(chunk)

    def _refused(self, error: Exception) -> ModelError:
        if isinstance(error, FileNotFoundError):
            return ModelError("NotFound", f"{self.uri} is not there; correct the uri")
        if self.secretless:
            return ModelError("SecretNotFound", f"{self.uri}: the Secret is not there or empty")
        return ModelError(
            "Refused", f"{self.uri}: access is denied; correct the credentials, or name a Secret"
        )


def s3_file(
    uri: str, credentials: Path | None, environment: Mapping[str, str] = os.environ
) -> S3File:
    """The object that `s3://BUCKET/KEY` names.

    Args:
        uri: it.
        credentials: a folder with items named as in ITEMS. Without one, the identity that the
            cluster gives the pod; without that too, requests are not signed.
        environment: where the cluster's identity would stand.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    config: dict[str, Any] = {
        option: path.read_text().strip()
        for item, option in ITEMS.items()
        if credentials and (path := credentials / item).is_file()
    }
    if "access_key_id" not in config and not any(name in environment for name in _OF_THE_CLUSTER):
        config["skip_signature"] = True
    store = S3Store(
        bucket,
        config=config,  # type: ignore[arg-type]
        client_options={
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            # Of a whole request. Silence is what is bounded here.
            "timeout": timedelta(days=1),
            "allow_http": str(config.get("endpoint", "")).startswith("http:"),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=SILENCE_SECONDS)},
    )
    empty = credentials is not None and "access_key_id" not in config
    return S3File(store, uri, key, secretless=empty)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
