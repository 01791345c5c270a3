"""llama.cpp's own server, in this process and on a loopback port.

One process on purpose: stopping or killing the container's main process then stops the model too,
and no second interpreter costs memory. The price is that loading blocks the interpreter, so the
engine opens its port only afterwards.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from runtime.llamacpp.chunks import EngineError, error
from runtime.llamacpp.models import ModelError
from runtime.llamacpp.options import Options

_CONNECT_SECONDS = 5.0
_METRICS_SECONDS = 2.0
# One line of a stream: log-probabilities of many candidates make long ones.
_LINE_BYTES = 2**20
_ERRORS_ONLY = 1


def load(options: Options, model: Path) -> Any:
    """Load the model and start the server; blocks until it can answer."""
    import xllamacpp  # here, because a paced engine should not pay for it

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {options.served_name}
    # One pool of context for all slots, instead of an equal part for each.
    params.n_ctx = options.context_tokens
    params.kv_unified = True
    params.n_parallel = options.parallel
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.endpoint_metrics = True
    params.endpoint_slots = False
    params.ui = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # The wrapper lets no more than `parallel` answers through; the rest is metrics and start-up.
    params.n_threads_http = options.parallel + 2
    # A cache of prompts beside the slots: 8 GiB unless told.
    params.cache_ram_mib = 0
    params.fit_params = False
    params.verbosity = _ERRORS_ONLY
    try:
        return xllamacpp.Server(params)
    except RuntimeError as problem:
        raise ModelError(
            f"llama.cpp could not load {model}: {problem} Its own message stands above; usually "
            "the architecture is newer than this engine, or memory is short for --context-tokens "
            f"{options.context_tokens}"
        ) from None


class NativeEngine:
    """Asks llama.cpp over its HTTP interface, always as a stream.

    Closing a stream is what makes llama.cpp stop; it would compute an unstreamed answer to its end
    for a client that left.
    """

    def __init__(self, server: Any, request_seconds: float) -> None:
        self._server = server  # it ends with its last reference
        self._address: str = server.listening_address
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=request_seconds, connect=_CONNECT_SECONDS),
            # The gate bounds the number. A connection each: llama.cpp closes idle ones as it likes.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            read_bufsize=_LINE_BYTES,
            auto_decompress=False,
        )

    async def stream(self, request: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """Chunks of an answer, as llama.cpp wrote them; the last one is the usage."""
        body = {**request, "stream": True, "stream_options": {"include_usage": True}}
        url = f"{self._address}/v1/chat/completions"
        try:
            async with self._session.post(url, json=body) as response:
                if response.status != 200:
                    raise EngineError(response.status, await _error_body(response))
                async for line in response.content:
                    if line.startswith(b"data: ") and line != b"data: [DONE]\n":
                        yield line[len(b"data: ") :].rstrip()
        except aiohttp.ClientError as problem:
            raise error(502, f"llama.cpp broke off: {problem}", "engine_error") from None

    async def metrics(self) -> str:
        """llama.cpp's own metrics; empty when it does not answer in time."""
        try:
            async with self._session.get(
                f"{self._address}/metrics", timeout=aiohttp.ClientTimeout(total=_METRICS_SECONDS)
            ) as response:
                return await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, TimeoutError):
            return ""

    async def close(self) -> None:
        await self._session.close()


async def _error_body(response: aiohttp.ClientResponse) -> dict[str, Any]:
    text = await response.text()
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict) and "error" in body:
        return body
    return {"error": {"message": text[:500], "type": "engine_error", "code": response.status}}
