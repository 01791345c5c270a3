"""Files and answers over HTTP. Redirects are followed a few times, never out of TLS, and never with
credentials to another host; nothing of a server's own words is passed on but its status."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from runtime.models.problems import ModelError
from runtime.models.transfer import Part

MAX_REDIRECTS = 5
#: Seconds to connect, and without a byte.
CONNECT_SECONDS, SILENCE_SECONDS = 15.0, 30.0
#: An answer of a registry is not larger than this.
MAX_ANSWER = 4 * 2**20
_CHUNK = 2**18
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def session(silence: float = SILENCE_SECONDS) -> aiohttp.ClientSession:
    """Connections for files: no cookies, no unpacking, no bound on the whole, one on silence."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
    return aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )


@dataclass(frozen=True)
class Web:
    """Requests with the credentials of one origin."""

    session: aiohttp.ClientSession
    authorization: str | None = field(default=None, repr=False)
    #: Whether a Secret is named; without anything in it, that is what a refusal is about.
    promised: bool = False

    @asynccontextmanager
    async def get(
        self, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer at the end of the redirects, whatever its status.

        Raises:
            ModelError: nobody answers, or a redirect leads where none may.
        """
        here = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                sent = {"Accept-Encoding": "identity", "User-Agent": "fabula", **headers}
                if self.authorization and here.origin() == url.origin():
                    sent["Authorization"] = self.authorization
                async with self.session.get(here, headers=sent, allow_redirects=False) as response:
                    if response.status not in _REDIRECTS:
                        yield response
                        return
                    here = _next(here, response.headers.get("Location", ""), url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) if isinstance(error, aiohttp.ClientConnectorError) else ""
            told = why or f"the connection broke ({type(error).__name__})"
            raise ModelError("Unreachable", f"{shown(url)}: {told}") from None
        raise ModelError("Refused", f"{shown(url)}: more than {MAX_REDIRECTS} redirects")

    def check(self, url: URL, status: int) -> None:
        """Raise what a status that is no success means.

        Raises:
            ModelError: with the problem and the remedy.
        """
        said = f"{shown(url)} answers {status}"
        if status in (401, 403) and self.promised and not self.authorization:
            raise ModelError("SecretNotFound", f"{said}, and the Secret is not there or empty")
        if status in (401, 403):
            raise ModelError("Refused", f"{said}: correct the credentials, or name a Secret")
        if status in (404, 410):
            raise ModelError("NotFound", f"{said}: correct the address")
        if status in (408, 425, 429) or status >= 500:
            raise ModelError("Unreachable", said)
        if not 200 <= status < 300:
            raise ModelError("Refused", f"{said}: correct the address", status)

    async def json(self, url: URL) -> Any:
        """A JSON answer.

        Raises:
            ModelError: there is none.
        """
        async with self.get(url, {"Accept": "application/json"}) as response:
            self.check(url, response.status)
            body = await response.content.read(MAX_ANSWER + 1)
            while len(body) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER)):
                body += more
        try:
            if len(body) > MAX_ANSWER:
                raise ValueError
            return json.loads(body)
        except ValueError:
            raise ModelError("Refused", f"{shown(url)}: the answer is no JSON") from None


@dataclass(frozen=True)
class WebFile:
    """A file behind a URL."""

    web: Web
    url: URL

    @property
    def name(self) -> str:
        return shown(self.url)

    @asynccontextmanager
    async def read(self, start: int) -> AsyncIterator[Part]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self.web.get(self.url, headers) as response:
            if response.status == 416:
                # What is there already is the whole file, or more than that.
                size = _after_slash(response.headers.get("Content-Range", ""))
                yield Part(start if size == start else 0, size, _nothing())
                return
            self.web.check(self.url, response.status)
            begin, size = 0, response.content_length
            if response.status == 206:
                begin = start
                size = _after_slash(response.headers.get("Content-Range", ""))
            yield Part(begin, size, response.content.iter_chunked(_CHUNK))


def authorization(folder: Path | None, token: str, username: str, password: str) -> str | None:
    """The Authorization header of a mounted Secret with these items; None where it has none."""
    if folder is None:
        return None
    values = {
        name: path.read_text().strip()
        for name in (token, username, password)
        if (path := folder / name).is_file()
    }
    if values.get(token):
        return f"Bearer {values[token]}"
    if values.get(username):
        pair = f"{values[username]}:{values.get(password, '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _next(here: URL, location: str, first: URL) -> URL:
    try:
        there = here.join(URL(location)) if location else None
    except ValueError:
        there = None
    if there is None or there.scheme not in ("http", "https") or not there.host:
        raise ModelError("Refused", f"{shown(first)}: redirects to no http or https address")
    if here.scheme == "https" and there.scheme == "http":
        raise ModelError("Refused", f"{shown(first)}: redirects out of TLS, to {there.host}")
    return there


def shown(url: URL) -> str:
    return str(url.with_user(None).with_query(None).with_fragment(None))


def _after_slash(content_range: str) -> int | None:
    size = content_range.rpartition("/")[2]
    return int(size) if size.isascii() and size.isdigit() else None


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
