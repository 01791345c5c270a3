"""What the operator says, kept current: the gateway's configuration and the route table.

A text that cannot be read changes nothing, and the last good ones are on the volume, so that a
gateway that starts while the API server is away still serves.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from crds.gateway import CONFIG_KEY, GatewayConfig
from crds.routes import ROUTES_KEY, RouteTable
from crds.templates import TriedTemplate
from crds.trials import Trial
from runtime.gateway.story.prompt import told_in_part
from runtime.prompts import lint
from runtime.sources import Source

log = structlog.get_logger(__name__)

Document = TypeVar("Document", bound=BaseModel)


class Following:
    """The configuration and the route table as they stand now."""

    def __init__(
        self,
        source: Source,
        name: str,
        folder: Path,
        on_routes: Callable[[RouteTable], None],
    ) -> None:
        self._source = source
        self._name = name
        self._folder = folder
        self._on_routes = on_routes
        self._config_task: asyncio.Task[None] | None = None
        self._routes_task: asyncio.Task[None] | None = None
        self._routes_name: str | None = None
        #: Whether the source was asked for a route table at least once.
        self._routes_asked = False
        self.config: GatewayConfig | None = None
        #: Why the newest templates are not used, if so.
        self.prompts_refused: str | None = None
        #: What is to be said of the templates that experiments try.
        self.tried: list[TriedTemplate] = []
        self.routes: RouteTable | None = None

    @property
    def ready(self) -> bool:
        """Whether there is enough to answer: without any route, that is the fallback."""
        return self.config is not None and (self.routes is not None or self._routes_asked)

    @property
    def trials(self) -> list[Trial]:
        """The experiments that are under way."""
        return self.config.trials if self.config else []

    def start(self) -> None:
        """Take up what was last good, then follow."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._restore(CONFIG_KEY, GatewayConfig)
        routes = self._restore(ROUTES_KEY, RouteTable)
        if config is not None:
            self._take_config(config)
        if routes is not None:
            self._take_routes(routes)
        self._config_task = asyncio.create_task(self._follow_config())

    async def stop(self) -> None:
        """Stop following."""
        tasks = [task for task in (self._config_task, self._routes_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_config(self) -> None:
        async with aclosing(self._source.follow(self._name, CONFIG_KEY)) as texts:
            async for text in texts:
                config = self._parse(CONFIG_KEY, GatewayConfig, text)
                if config is not None and config != self.config:
                    config = self._take_config(config)
                    await asyncio.to_thread(self._keep, CONFIG_KEY, config)
                    log.info("configured", generation=config.generation)
                if self.config is not None:
                    await self._switch(self.config.routes_config_map)

    async def _switch(self, name: str) -> None:
        if name == self._routes_name:
            return
        self._routes_name = name
        if self._routes_task is not None:
            self._routes_task.cancel()
            await asyncio.gather(self._routes_task, return_exceptions=True)
        self._routes_task = asyncio.create_task(self._follow_routes(name))

    async def _follow_routes(self, name: str) -> None:
        async with aclosing(self._source.follow(name, ROUTES_KEY)) as texts:
            async for text in texts:
                routes = self._parse(ROUTES_KEY, RouteTable, text)
                if routes is not None and routes != self.routes:
                    self._take_routes(routes)
                    await asyncio.to_thread(self._keep, ROUTES_KEY, routes)
                    log.info("routed", generation=routes.generation, members=len(routes.routes))
                self._routes_asked = True

    def _take_config(self, config: GatewayConfig) -> GatewayConfig:
        """Follow it; where its templates cannot be used, with those that were used before."""
        self.prompts_refused = _refused(config)
        if self.prompts_refused is not None:
            log.error("prompts_refused", finding=self.prompts_refused)
            known = self.config.prompts if self.config else {}
            config = config.model_copy(update={"prompts": known})
        self.tried = [
            TriedTemplate(
                name=each.name, digest=each.digest, refused=_finding(each.name, each.text)
            )
            for each in config.tried
        ]
        usable = {(each.name, each.digest) for each in self.tried if not each.refused}
        # Nobody is in an arm of an experiment that cannot be told as it should be.
        trials = [each for each in config.trials if usable >= each.prompts.items()]
        config = config.model_copy(update={"trials": trials})
        self.config = config
        for name, told in told_in_part(config).items():
            log.warning("told_in_part", text=name, characters=told, remedy=f"shorten the {name}")
        return config

    def _take_routes(self, routes: RouteTable) -> None:
        self.routes = routes
        self._on_routes(routes)

    def _parse(self, key: str, kind: type[Document], text: str | None) -> Document | None:
        if text is None:
            return None
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            log.error("not_understood", key=key, faults=error.errors(include_input=False)[:5])
            return None

    def _restore(self, key: str, kind: type[Document]) -> Document | None:
        try:
            return self._parse(key, kind, (self._folder / key).read_text())
        except FileNotFoundError:
            return None

    def _keep(self, key: str, document: BaseModel) -> None:
        """Replace the stored text as a whole. A full volume costs the memory, not the service."""
        fresh = self._folder / f".{key}.new"
        try:
            fresh.write_text(document.model_dump_json(by_alias=True, exclude_none=True))
            os.replace(fresh, self._folder / key)
        except OSError as error:
            log.warning("not_kept", key=key, reason=str(error))


def _refused(config: GatewayConfig) -> str | None:
    """The first thing that is wrong with the templates."""
    findings = (_finding(name, text) for name, text in config.prompts.items())
    return next((finding for finding in findings if finding), None)


@lru_cache(maxsize=16)  # each step of a rollout or experiment is another configuration
def _finding(name: str, text: str) -> str | None:
    """The first thing that is wrong with a template."""
    return next((str(finding)[:512] for finding in lint(name, text)), None)
