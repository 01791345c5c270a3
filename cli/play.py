"""`fabula play`: a few decisions from a running storyteller, for a person to watch."""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
import yaml
from pydantic import Field, ValidationError
from rich.console import Console

from cli import told
from cli.install import ROOT
from cli.reach import gateway_of, key_headers
from cli.run import CommandError
from crds.base import Model
from devcluster import Cluster

STORY = ROOT / "examples" / "emberfall" / "story.yaml"
#: Longer than the longest decision that an ensemble may take.
_DECISION_SECONDS = 630.0


class Turn(Model):
    """One question."""

    question: str
    options: list[str] | None = None
    context: str | dict[str, Any] | None = None


class Story(Model):
    """A script of questions for one session."""

    player: str | None = None
    context: str | dict[str, Any] | None = None
    turns: Annotated[list[Turn], Field(min_length=1)]


class PlayError(Exception):
    """The story cannot go on; the message says why and what to do."""


def play(
    url: Annotated[
        str | None, typer.Option(help="Address of a gateway, when you can reach one directly.")
    ] = None,
    storyteller: Annotated[
        str | None, typer.Option(help="A Storyteller in the cluster of your kubectl.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    story: Annotated[
        Path, typer.Option(help="YAML with player, context and turns.", show_default=False)
    ] = STORY,
) -> None:
    """Ask a storyteller for three decisions and show how each was made."""
    if (url is None) == (storyteller is None):
        raise typer.BadParameter("give exactly one of --url and --storyteller")
    try:
        with ExitStack() as stack:
            if url is None:
                url = stack.enter_context(gateway_of(os.environ, namespace, storyteller or ""))
            tell(url, story, Console())
    except (CommandError, PlayError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from None


def play_story(cluster: Cluster, namespace: str, storyteller: str, story: Path) -> None:
    """Play a story on a cluster.

    Raises:
        CommandError, PlayError: the gateway cannot be reached, or refused.
    """
    with gateway_of(cluster.env, namespace, storyteller) as url:
        tell(url, story, Console())


def tell(url: str, story: Path, console: Console) -> None:
    """Ask every question of the story in one session and print what comes of it.

    Raises:
        PlayError: the story cannot be read, or the gateway refused.
    """
    try:
        script = Story.model_validate(yaml.safe_load(story.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise PlayError(f"{story}: {error}") from None
    asyncio.run(_tell(url.rstrip("/"), script, console))


async def _tell(url: str, story: Story, console: Console) -> None:
    timeout = aiohttp.ClientTimeout(total=_DECISION_SECONDS, sock_connect=10)
    headers = key_headers(os.environ)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        status = await _call(http, "GET", f"{url}/v1/status")
        session = await _call(
            http, "POST", f"{url}/v1/sessions", _sent(player=story.player, context=story.context)
        )
        console.print(told.opening(f"{status['storyteller']} tells", _scene(story, status)))
        for number, turn in enumerate(story.turns, 1):
            console.print(told.question(number, turn.question))
            with console.status("[dim]the voices think …[/]"):
                decision = await _call(
                    http, "POST", f"{url}/v1/sessions/{session['id']}/decisions", turn.dump()
                )
            console.print(told.decision(decision, prose=turn.options is None))


def _scene(story: Story, status: dict[str, Any]) -> list[str]:
    voices = status.get("voices", [])
    able = [voice["name"] for voice in voices if voice["answers"]]
    lines = [story.context] if isinstance(story.context, str) else []
    lines.append(f"[dim]{len(able)} of {len(voices)} voices answer: {', '.join(able)}[/]")
    return lines


def _sent(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


async def _call(
    http: aiohttp.ClientSession, method: str, url: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        async with http.request(method, url, json=body) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise PlayError(f"{method} {url}: {str(error) or type(error).__name__}") from None
    if status >= 400:
        raise PlayError(f"{answer.get('title')}: {answer.get('detail')}")
    return answer
