"""`fabula keys`: API keys for the gateways of a Storyteller. A key is shown once; what Kubernetes
keeps is its hash."""

import base64
import binascii
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from runtime.limits import keys

app = typer.Typer(no_args_is_help=True, help="API keys for games that call a storyteller.")

ManifestFile = Annotated[
    Path,
    typer.Argument(
        help="The Secret as YAML; - reads it from standard input, as in "
        "kubectl get secret NAME -o yaml | fabula keys list -",
    ),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="ID", help="What logs and records call the key.")],
    scopes: Annotated[
        str, typer.Option(help=f"What it may do, with commas: {', '.join(keys.SCOPES)}.")
    ] = "decide,read,outcome,config",
    per_minute: Annotated[
        int | None, typer.Option(help="Requests a minute. Default: no limit of its own.")
    ] = None,
    daily_usd: Annotated[
        str | None, typer.Option(help="US dollars a day. Default: no cap of its own.")
    ] = None,
    kept_in: Annotated[
        str, typer.Option("--secret", help="The Secret that spec.apiKeysSecretRef names.")
    ] = "storyteller-keys",
    namespace: Annotated[str | None, typer.Option(help="Its namespace.")] = None,
) -> None:
    """Make a key. It goes to standard error, the Secret's item to standard output:
    fabula keys create game-server | kubectl apply --server-side --field-manager=game-server -f -"""
    try:
        key = keys.new_key(name)
        item = keys.KeyItem.model_validate(
            {
                "sha256": keys.digest(key),
                "scopes": [scope.strip() for scope in scopes.split(",")],
                "perMinute": per_minute,
                "dailyUSD": daily_usd,
            }
        )
    except ValidationError as error:
        fault = error.errors()[0]
        _end(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")
    except ValueError as error:
        _end(str(error))
    metadata = {"name": kept_in} | ({"namespace": namespace} if namespace else {})
    text = item.model_dump_json(by_alias=True, exclude_none=True)
    # Not `stringData`: server-side apply would not know whose item it is.
    data = {name: base64.b64encode(text.encode()).decode()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    typer.echo(f"The key of {name}, shown this once: {key}", err=True)
    typer.echo(yaml.safe_dump(manifest, sort_keys=False).rstrip())


@app.command("list")
def list_keys(file: ManifestFile) -> None:
    """The keys in a Secret and what they may do."""
    table = Table("ID", "SCOPES", "PER MINUTE", "USD A DAY", box=None)
    bad = {}
    for name, text in sorted(_items(file).items()):
        try:
            item = keys.read_item(text)
        except keys.BadKeyItemError as error:
            bad[name] = str(error)
        else:
            rate = "" if item.per_minute is None else str(item.per_minute)
            table.add_row(name, ", ".join(item.scopes), rate, item.daily_usd or "")
    Console().print(table)
    if bad:
        _end("\n".join(f"{name} is no key: {why}" for name, why in bad.items()))


@app.command()
def verify(file: ManifestFile) -> None:
    """Say whose key this is. It is asked for, so that it stands in no list of processes and in no
    shell's history; in scripts it comes with FABULA_API_KEY."""
    items = _items(file)
    given = os.environ.get("FABULA_API_KEY")
    key = (given or str(typer.prompt("Key", hide_input=True, err=True))).strip()
    name = keys.id_of(key)
    try:
        item = keys.read_item(items[name]) if name and name in items else None
    except keys.BadKeyItemError as error:
        _end(f"{name} is no key: {error}")
    if name is None or item is None or item.sha256 != keys.digest(key):
        _end("this is no key of that Secret; make one with fabula keys create")
    typer.echo(f"{name}: {', '.join(item.scopes)}")


def _items(file: Path) -> Mapping[str, str]:
    """The items of a Secret, as text."""
    text = sys.stdin.read() if file == Path("-") else _read(file)
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        _end(f"{file}: is no YAML: {error}")
    if not isinstance(found, dict) or found.get("kind") != "Secret":
        _end(f"{file}: is no Secret; give the one that spec.apiKeysSecretRef names")
    try:
        data = {
            name: base64.b64decode(value, validate=True).decode(errors="replace")
            for name, value in (found.get("data") or {}).items()
        }
    except (binascii.Error, TypeError):
        _end(f"{file}: data holds something that is no base64")
    return data | (found.get("stringData") or {})


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        _end(f"{file}: {error.strerror}")


def _end(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
