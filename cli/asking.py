"""How commands ask the operator for something and tell what it says, by kubectl as a person would.
Each shows the line that it runs."""

import json
import os
import secrets
import shlex
from typing import Any, NoReturn

import typer
from rich.table import Table

from cli.run import CommandError, run

#: Seconds for the operator to answer, and for one kubectl.
ANSWER_SECONDS = 30
KUBECTL_SECONDS = 15.0


def ask(kind: str, name: str, action: str, namespace: str | None, look: str, **more: str) -> None:
    """Ask the operator, and print its answer; a refusal ends with 1.

    Args:
        kind: of the object, as kubectl calls it.
        name: of the object.
        action: of `status.request`.
        namespace: of the object; None: that of the kubeconfig.
        look: the command that shows how it stands.
        more: other fields of the request.
    """
    word = f"{action.lower()}-{secrets.token_hex(4)}"
    patch = json.dumps({"status": {"request": {"action": action, "id": word, **more}}})
    line = [*("patch", kind, name), "--subresource=status", "--type=merge", "-p"]
    typer.echo(f"$ {shlex.join(_kubectl(namespace, *line, patch))}", err=True)
    answered = f"jsonpath={{.status.lastRequest.id}}={word}"
    wait = ["wait", f"{kind}/{name}", f"--for={answered}"]
    try:
        kubectl(namespace, *line, patch)
        kubectl(namespace, *wait, f"--timeout={ANSWER_SECONDS}s", seconds=ANSWER_SECONDS + 5.0)
    except CommandError as error:
        end(f"{error}\nIs the operator running? It answers in status.lastRequest")
    answer = status_of(kind, name, namespace)["lastRequest"]
    if answer["id"] != word:
        end(f"another request came in between; look with {look}")
    if answer["outcome"] == "Refused":
        end(f"Refused: {answer['message']}")
    typer.echo(f"Done: {answer['message']}")


def status_of(kind: str, name: str, namespace: str | None) -> dict[str, Any]:
    """The status of an object; one that cannot be read ends with 1."""
    try:
        text = kubectl(namespace, "get", kind, name, "-o", "json")
    except CommandError as error:
        end(str(error))
    found: dict[str, Any] = json.loads(text).get("status") or {}
    return found


def judged(metrics: list[dict[str, Any]], title: str = "GUARDRAIL") -> Table:
    """Each metric as it was seen last, in its own unit."""
    table = Table(title, "CANARY", "BASELINE", "DIFFERENCE", "E-VALUE", "STANDING", box=None)
    for metric in metrics:
        known = "lower" in metric
        table.add_row(
            metric["name"],
            metric.get("canary", "unknown"),
            metric.get("baseline", "unknown"),
            f"{metric['lower']} to {metric['upper']}" if known else "unknown",
            metric["eValue"],
            metric["standing"],
        )
    return table


def end(message: str) -> NoReturn:
    """Print, and end with 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def kubectl(namespace: str | None, *words: str, seconds: float = KUBECTL_SECONDS) -> str:
    """What kubectl says.

    Raises:
        CommandError: it refused, or took longer.
    """
    return run(_kubectl(namespace, *words), os.environ, timeout=seconds)


def _kubectl(namespace: str | None, *words: str) -> list[str]:
    return ["kubectl", *(["--namespace", namespace] if namespace else []), *words]
