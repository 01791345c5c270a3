"""`fabula audit`: the record of decisions, for people who have a copy of a gateway's volume."""

import asyncio
import base64
import binascii
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import aiohttp
import typer
from pydantic import ValidationError
from rich.console import Console

from cli import audited
from cli.reach import gateway_of, key_headers
from cli.run import CommandError, run
from crds.checkpoint import CheckpointError
from crds.gateway import CONFIG_KEY, GatewayConfig
from crds.routes import ROUTES_KEY, RouteTable
from runtime.audit import Record
from runtime.audit.proofs import InclusionProof, ProofError, prove
from runtime.audit.reader import Reader
from runtime.audit.record import Result
from runtime.audit.replay import differences
from runtime.audit.search import Index, Query
from runtime.audit.segments import LogDamagedError
from runtime.audit.verify import verify as verify_log

app = typer.Typer(no_args_is_help=True, help=__doc__)

_BATCH = 2000
_SECONDS = 30.0

Folder = Annotated[
    Path,
    typer.Argument(help="The folder `decisions` of a gateway's volume, or a copy of it."),
]
Entry = Annotated[str, typer.Argument(help="Id of a decision, as d-42-9f3c1a7e.")]
KeyOption = Annotated[
    str | None,
    typer.Option(help="The public key as status.audit of the Storyteller has it, or a file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def verify(
    paths: Annotated[
        list[Path], typer.Argument(help="The folder `decisions` of a volume, or segments of it.")
    ],
    key: KeyOption = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere.")
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE:ROOT", help="A size with its root, from status.audit."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that a log is what was signed, and name the first bad entry. Ends with 1 if there is
    one."""
    folder, only = _chosen(paths)
    try:
        verdict = verify_log(
            folder,
            key=_text(key),
            notes=[path.read_text() for path in checkpoint or ()],
            roots=[_root(text) for text in root or ()],
            only=only,
        )
    except (OSError, CheckpointError) as error:
        raise _failed(str(error)) from None
    if as_json:
        typer.echo(json.dumps(audited.as_document(verdict), indent=1))
    else:
        Console().print(audited.verdict(verdict, trusted=key is not None))
    if verdict.findings:
        raise typer.Exit(1)


@app.command()
def search(
    folder: Folder,
    text: Annotated[str | None, typer.Argument(help="Words that all occur.")] = None,
    player: Annotated[str | None, typer.Option(help="Who played.")] = None,
    model: Annotated[str | None, typer.Option(help="A model that was asked.")] = None,
    member: Annotated[str | None, typer.Option(help="A member that was asked.")] = None,
    session: Annotated[str | None, typer.Option(help="Id of the session.")] = None,
    outcome: Annotated[str | None, typer.Option(help="`Vote`, `BestMember` or `Fallback`.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on, as 2026-11-23T05.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 20,
    index: Annotated[
        Path | None, typer.Option(help="Keep the index there, for the next search.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find decisions. Words and players can be searched only where the keys of the players lie
    beside the log."""
    query = Query(text, player, member, model, session, outcome, since, until, limit)
    with _reading(folder) as reader:
        found_in = Index(index)
        try:
            _catch_up(found_in, reader)
            wanted = found_in.find(query)
            upto = found_in.indexed
        finally:
            found_in.close()
        records = _records(reader, wanted)
        if as_json:
            for record in records:
                typer.echo(record.model_dump_json(by_alias=True, exclude_none=True))
        else:
            Console().print(audited.found(records, upto, has_keys=reader.has_keys))


@app.command()
def show(folder: Folder, entry: Entry) -> None:
    """Print the whole record of a decision, or of any other entry, as JSON."""
    with _reading(folder) as reader:
        stored = _get(reader, entry)
        typer.echo(json.dumps(stored.entry.dump(), indent=1, ensure_ascii=False))
        if not reader.has_keys and stored.key:
            typer.echo("the keys of the players are not beside this log: words are not shown",
                       err=True)  # fmt: skip


@app.command()
def replay(
    folder: Folder,
    entry: Entry,
    models: Annotated[
        bool, typer.Option("--models", help="Ask the models again too, and show what differs.")
    ] = False,
    told: Annotated[
        Path | None,
        typer.Option(
            help="Folder with gateway.json and routes.json. Default: `last-good` beside the log.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="MEMBER=URL", help="Where a member answers, if not as routed."),
    ] = None,
) -> None:
    """Count the consensus of a decision again from its recorded candidates. It comes out exactly as
    recorded, also when the words were erased; ends with 1 if not."""
    with _reading(folder) as reader:
        record = _get(reader, entry).entry
    if not isinstance(record, Record):
        raise _failed(f"{entry} is no decision but {record.kind}")
    found = differences(record)
    console = Console()
    console.print(audited.replayed(record, found))
    if models:
        if record.erased:
            raise _failed("the words of this decision cannot be read, so nobody can be asked again")
        inside = folder if folder.name == "decisions" else folder / "decisions"
        _ask_models(record, told or inside.with_name("last-good"), at or [], console)
    if found:
        raise typer.Exit(1)


@app.command()
def proof(
    entry: Entry,
    folder: Annotated[
        Path | None, typer.Option(help="Make it from a copied log.", show_default=False)
    ] = None,
    url: Annotated[str | None, typer.Option(help="Ask the gateway at this address.")] = None,
    storyteller: Annotated[
        str | None, typer.Option(help="Ask a Storyteller in the cluster of your kubectl.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    key: KeyOption = None,
) -> None:
    """Prove that a decision is in the log, and check the proof. It is printed as JSON."""
    if sum(each is not None for each in (folder, url, storyteller)) != 1:
        raise typer.BadParameter("give exactly one of --folder, --url and --storyteller")
    try:
        if folder is not None:
            found = prove(folder, entry)
        else:
            path = f"/v1/audit/proof/{quote(entry, safe='')}"
            found = InclusionProof.model_validate(_call("GET", url, namespace, storyteller, path))
        size = found.check(_text(key))
    except (ProofError, ValidationError) as error:
        raise _failed(str(error)) from None
    typer.echo(found.model_dump_json(by_alias=True, indent=1))
    typer.echo(f"proven: {entry} is entry {found.index} of the {size} that were signed", err=True)


@app.command()
def erase(
    player: Annotated[str, typer.Argument(help="The player, as sessions name them.")],
    by: Annotated[str, typer.Option(help="Who asks, for the record.")],
    url: Annotated[str | None, typer.Option(help="Address of the gateway.")] = None,
    storyteller: Annotated[
        str | None, typer.Option(help="A Storyteller in the cluster of your kubectl.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a player's words for ever: their sessions, and their key in the log."""
    if (url is None) == (storyteller is None):
        raise typer.BadParameter("give exactly one of --url and --storyteller")
    if not yes:
        typer.confirm(f"Destroy every word of {player}? Nobody can undo this", abort=True)
    path = f"/v1/players/{quote(player, safe='')}?by={quote(by, safe='')}"
    try:
        typer.echo(json.dumps(_call("DELETE", url, namespace, storyteller, path), indent=1))
    finally:
        left = _left(namespace, storyteller) if storyteller else []
        for claim, replicas in left:
            typer.echo(
                f"not reached: the log on claim {claim}, which no gateway uses now. Set "
                f"spec.replicas of {storyteller} to {replicas} and erase again, or destroy the "
                f"whole log: kubectl -n {namespace} delete pvc {claim}",
                err=True,
            )
    if left:
        raise typer.Exit(1)


def _left(namespace: str, storyteller: str) -> list[tuple[str, int]]:
    """Claims of replicas that do not run, and how many have to for each to be reached."""
    get = ("kubectl", "--namespace", namespace, "get")
    try:
        running = json.loads(
            run([*get, "storyteller", storyteller, "-o", "json"], os.environ, timeout=_SECONDS)
        )
        chosen = ("pvc", f"--selector=fabula.dev/storyteller={storyteller}", "-o", "name")
        claims = run([*get, *chosen], os.environ, timeout=_SECONDS).split()
    except CommandError as error:
        raise _failed(f"it cannot be told whether a volume is left: {error}") from None
    replicas = running.get("status", {}).get("replicas", 0)
    names = (claim.partition("/")[2] for claim in claims)
    found = ((name, int(name.rpartition("-")[2]) + 1) for name in names)
    return sorted((name, needed) for name, needed in found if needed > replicas)


def _ask_models(record: Record, told: Path, at: list[str], console: Console) -> None:
    try:
        from runtime.gateway.story.again import Again, ask_again
    except ModuleNotFoundError as error:
        raise _failed(
            f"--models needs {error.name}; install it: pip install 'fabula[gateway]'"
        ) from (None)
    try:
        config = GatewayConfig.model_validate_json((told / CONFIG_KEY).read_bytes())
        table = RouteTable.model_validate_json((told / ROUTES_KEY).read_bytes())
    except (OSError, ValidationError) as error:
        raise _failed(f"{told}: {error}; give --told with {CONFIG_KEY} and {ROUTES_KEY}") from None
    urls = dict(each.split("=", 1) for each in at if "=" in each)

    async def ask() -> tuple[list[Again], Result]:
        async with aiohttp.ClientSession() as http:
            return await ask_again(record, config, table, http, urls=urls)

    again, result = asyncio.run(ask())
    console.print(audited.asked_again(record, again, result))


def _chosen(paths: list[Path]) -> tuple[Path, list[Path] | None]:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise _failed(f"{', '.join(missing)}: not there")
    if len(paths) == 1 and paths[0].is_dir():
        inside = paths[0] / "decisions"
        return (inside if inside.is_dir() else paths[0]), None
    folders = {path.parent for path in paths}
    if len(folders) != 1 or any(path.suffix != ".seg" for path in paths):
        raise _failed("give one folder, or segments (*.seg) of one folder")
    return folders.pop(), paths


def _catch_up(index: Index, reader: Reader) -> None:
    batch = []
    for stored in reader.entries(index.indexed):
        batch.append(stored)
        if len(batch) == _BATCH:
            index.add(batch, batch[-1].number + 1)
            batch = []
    if batch:
        index.add(batch, batch[-1].number + 1)


def _records(reader: Reader, numbers: list[int]) -> list[Record]:
    if not numbers:
        return []
    wanted = set(numbers)
    found: dict[int, Record] = {}
    for stored in reader.entries(min(wanted)):
        if stored.number in wanted and isinstance(stored.entry, Record):
            found[stored.number] = stored.entry
            if len(found) == len(wanted):
                break
    return [found[number] for number in numbers if number in found]


@contextmanager
def _reading(folder: Path) -> Iterator[Reader]:
    inside = folder / "decisions"
    folder = inside if inside.is_dir() else folder
    if not any(folder.glob("*.seg")):
        raise _failed(f"{folder} holds no log: there are no *.seg files in it")
    reader = Reader(folder)
    try:
        yield reader
    finally:
        reader.close()


def _get(reader: Reader, entry: str) -> Any:
    try:
        return reader.get(entry)
    except (LookupError, LogDamagedError) as error:
        raise _failed(str(error.args[0])) from None


def _text(key: str | None) -> str | None:
    return Path(key).read_text() if key and Path(key).is_file() else key


def _root(text: str) -> tuple[int, bytes]:
    size, _, root = text.partition(":")
    try:
        return int(size), base64.b64decode(root, validate=True)
    except (ValueError, binascii.Error):
        raise typer.BadParameter(
            f"--root is SIZE:ROOT with the root in base64, not {text}"
        ) from None


def _call(
    method: str, url: str | None, namespace: str, storyteller: str | None, path: str
) -> dict[str, Any]:
    try:
        with ExitStack() as stack:
            if url is None:
                url = stack.enter_context(gateway_of(os.environ, namespace, storyteller or ""))
            return asyncio.run(_ask(method, url.rstrip("/") + path))
    except CommandError as error:
        raise _failed(str(error)) from None


async def _ask(method: str, url: str) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=key_headers(os.environ)) as http,
            http.request(method, url) as response,
        ):
            status = response.status
            answer: dict[str, Any] = (
                {} if status == HTTPStatus.NO_CONTENT else await response.json(content_type=None)
            )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _failed(f"{method} {url}: {str(error) or type(error).__name__}") from None
    if status >= 400:
        raise _failed(f"{answer.get('title')}: {answer.get('detail')}")
    return answer


def _failed(message: str) -> typer.Exit:
    typer.secho(message, fg="red", err=True)
    return typer.Exit(2)
