"""The other replicas of this gateway: each has the log of its own decisions, so one that is asked
for a decision of another asks the others for it."""

import asyncio
import re
import socket
from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import quote

import aiohttp
import structlog
from pydantic import ValidationError

from runtime.audit import OutcomeEntry, Record
from runtime.gateway.proofs import Proofs

log = structlog.get_logger(__name__)

#: Says that a replica asks, and proves it: whoever gets this answers from its own log alone.
HEADER = "fabula-peer"
#: All of them together, the look-up of their addresses included.
SECONDS = 2.0
#: As many as a Storyteller can have.
MOST = 9
#: Anything else could ask a peer for something else.
_ID = re.compile(r"d-[-0-9a-zA-Z]{1,60}")


class PeerSilentError(Exception):
    """A replica that may have the decision did not answer."""


class Peers:
    """Whoever stands behind one name.

    Args:
        http: the session to ask with.
        address: ``host:port`` of a headless Service, whose name has the address of every replica;
            None: there are no others.
        proofs: makes the proofs that this is a replica. None: none are made.
    """

    def __init__(
        self, http: aiohttp.ClientSession, address: str | None, proofs: Proofs | None = None
    ) -> None:
        self._http = http
        self._proofs = proofs
        self._host, _, port = (address or "").rpartition(":")
        self._port = int(port) if port else 0

    async def find(
        self, decision: str, credential: str | None = None, session: str | None = None
    ) -> Record | None:
        """The record of a decision, from whichever replica has it. None: no replica that answered
        in time has, or none lets the caller read it.

        Args:
            decision: its id.
            credential: the caller's API key: a replica asks for it as this one did.
            session: the session that the caller asks in, if he does: a decision of it is his to
                know even with a key that may only decide.
        """
        if not self._host or _ID.fullmatch(decision) is None:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                return await self._first(decision, await self._addresses(), credential, session)
        except (TimeoutError, OSError) as error:
            log.warning("peers_not_asked", reason=str(error) or type(error).__name__)
            return None

    async def forget(
        self,
        kind: Literal["players", "sessions"],
        name: str,
        credential: str | None = None,
        *,
        by: str | None = None,
        replicas: int = 1,
    ) -> bool | None:
        """Let every replica destroy words in its own log, in the caller's name. True: one had some;
        False: none had; None: not all of ``replicas`` have answered, so it has to be sent again.

        Args:
            kind, name: whose words.
            credential: the caller's API key.
            by: who asks, for the record.
            replicas: how many there should be.
        """
        if not self._host:
            return False
        try:
            async with asyncio.timeout(SECONDS):
                addresses = await self._addresses()
                answers = await asyncio.gather(
                    *(self._forget(each, kind, name, by, credential) for each in addresses)
                )
        except (TimeoutError, OSError) as error:
            log.warning("peers_not_asked", reason=str(error) or type(error).__name__)
            return None
        if None in answers or len(answers) < replicas:
            return None
        return any(answers)

    async def judge(
        self,
        decision: str,
        outcome: str,
        credential: str | None = None,
        *,
        replicas: int = 1,
    ) -> OutcomeEntry | None:
        """Let the replica that has a decision log what became of it, in the caller's name. None:
        none of them has it.

        Args:
            decision: its id.
            outcome: the body of the caller's request, JSON.
            credential: the caller's API key.
            replicas: how many there should be.

        Raises:
            PeerSilentError: nobody answered that it has it, and not all of ``replicas`` that they
                have not.
        """
        if not self._host or _ID.fullmatch(decision) is None:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                return await self._written(
                    [
                        asyncio.create_task(self._judge(each, decision, outcome, credential))
                        for each in await self._addresses()
                    ],
                    replicas,
                )
        except (TimeoutError, OSError) as error:
            log.warning("peers_not_asked", reason=str(error) or type(error).__name__)
            raise PeerSilentError from error

    async def _written(
        self, asked: Sequence[asyncio.Task[OutcomeEntry | Literal[False] | None]], replicas: int
    ) -> OutcomeEntry | None:
        """The first entry that one of them logged; the others are not waited for."""
        silent = len(asked) < replicas
        try:
            for answer in asyncio.as_completed(asked):
                written = await answer
                if isinstance(written, OutcomeEntry):
                    return written
                silent = silent or written is None
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if silent:
            raise PeerSilentError
        return None

    async def _judge(
        self, address: str, decision: str, outcome: str, credential: str | None
    ) -> OutcomeEntry | Literal[False] | None:
        """What it logged; False: it has no such decision; None: no answer."""
        path = f"/v1/decisions/{decision}/outcome"
        headers = await self._headers("POST", path, credential)
        try:
            async with self._http.post(
                self._url(address, path),
                data=outcome,
                headers={"content-type": "application/json"} | headers,
                allow_redirects=False,
            ) as response:
                if response.status == 404:
                    return False
                if response.status != 201:
                    return None
                return OutcomeEntry.model_validate_json(await response.read())
        except (aiohttp.ClientError, OSError, ValidationError) as error:
            log.debug("peer_silent", address=address, reason=type(error).__name__)
            return None

    async def _forget(
        self, address: str, kind: str, name: str, by: str | None, credential: str | None
    ) -> bool | None:
        try:
            async with self._http.delete(
                self._url(address, f"/v1/{kind}/{quote(name, safe='')}"),
                params={"by": by} if by else {},
                headers=await self._headers("DELETE", f"/v1/{kind}/{name}", credential),
                allow_redirects=False,
            ) as response:
                return {200: True, 204: True, 404: False}.get(response.status)
        except (aiohttp.ClientError, OSError):
            return None

    async def _first(
        self,
        decision: str,
        addresses: Iterable[str],
        credential: str | None,
        session: str | None,
    ) -> Record | None:
        asked = [
            asyncio.create_task(self._ask(each, decision, credential, session))
            for each in addresses
        ]
        try:
            for answer in asyncio.as_completed(asked):
                record = await answer
                if record is not None:
                    return record
            return None
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _addresses(self) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        )
        return sorted({str(each[4][0]) for each in found})[:MOST]

    async def _ask(
        self, address: str, decision: str, credential: str | None, session: str | None
    ) -> Record | None:
        path = f"/v1/decisions/{decision}"
        try:
            async with self._http.get(
                self._url(address, path),
                params={"session": session} if session else {},
                headers=await self._headers("GET", path, credential),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    return None
                record = Record.model_validate_json(await response.read())
        except (aiohttp.ClientError, OSError, ValidationError) as error:
            log.debug("peer_silent", address=address, reason=type(error).__name__)
            return None
        return record if record.id == decision else None

    def _url(self, address: str, path: str) -> str:
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self._port}{path}"

    async def _headers(self, method: str, path: str, credential: str | None) -> dict[str, str]:
        """Marks a question as one between replicas, and asks it with the caller's own key."""
        proof = await self._proofs.make(method, path, credential) if self._proofs else None
        return {HEADER: proof or "none"} | ({"X-API-Key": credential} if credential else {})
