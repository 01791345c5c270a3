"""`fabula dev`: a real Kubernetes on this machine to work and test with."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import devcluster
from cli.myself import program
from devcluster import Cluster, ClusterError

app = typer.Typer(
    name="dev",
    no_args_is_help=True,
    help="A real Kubernetes on this machine. It uses the cluster that KUBECONFIG names; else kind, "
    "where a Docker engine answers; else it starts Kubernetes' own programs here, cut off from "
    "the network. The first `up` builds them from source (about 15 minutes), later ones take "
    "seconds.",
)

Name = Annotated[
    str,
    typer.Option("--name", help="Which cluster: several run side by side.", show_default=True),
]


@app.command()
def up(
    name: Name = "fabula",
    nodes: Annotated[int, typer.Option(help="How many nodes; more can be added later.")] = 1,
    install: Annotated[
        bool, typer.Option("--install", help="Install the Debian packages that are missing.")
    ] = False,
    audit: Annotated[
        bool, typer.Option(help="Have a new cluster log who asked its API for what.")
    ] = True,
) -> None:
    """Start the cluster; start again what stopped; do nothing when all is well."""
    with _errors():
        cluster = devcluster.up(name, nodes, install=install, audit=audit, say=typer.echo)
    typer.echo(f"\nUse it:  eval $({program()} dev env{_option(name)})  &&  kubectl get nodes")
    typer.echo(f"Leave:   {program()} dev down{_option(name)}        ({cluster.kind} cluster)")


@app.command()
def status(name: Name = "fabula") -> None:
    """Show what runs; ends with status 1 when a part does not."""
    with _errors():
        cluster = _found(name)
        parts = cluster.status()
    typer.echo(f"{cluster.kind} cluster {cluster.name}, kubeconfig {cluster.kubeconfig}")
    if cluster.audit_log:
        typer.echo(f"audit log {cluster.audit_log}")
    for part in parts:
        typer.echo(f"  {part.name:<26} {part.state:<10} {part.detail}")
    if any(part.state in {"stopped", "not ready"} for part in parts):
        typer.echo(f"Repair:  {program()} dev up{_option(name)}")
        raise typer.Exit(1)


@app.command()
def env(name: Name = "fabula") -> None:
    """Print what points a shell at the cluster: eval $(fabula dev env)."""
    with _errors():
        cluster = _found(name)
    typer.echo(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    if cluster.bin:
        typer.echo(f'export PATH={shlex.quote(str(cluster.bin))}:"$PATH"')


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    name="exec",
)
def run(context: typer.Context, name: Name = "fabula") -> None:
    """Run a command inside the cluster's network: fabula dev exec -- curl http://10.128.1.2:8080.

    There pods and services answer at their own addresses, which this machine cannot reach.
    """
    if not context.args:
        raise typer.BadParameter("name the command: fabula dev exec -- kubectl get pods")
    with _errors():
        cluster = _found(name)
    raise typer.Exit(cluster.exec(context.args))


@app.command()
def logs(
    component: Annotated[str, typer.Argument(help="For example kube-apiserver, node1-kubelet.")],
    name: Name = "fabula",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
) -> None:
    """Show the log of a program of the cluster."""
    with _errors():
        path = _found(name).logs(component)
    if path is None:
        typer.echo(f"{component} writes no log file on this machine")
        raise typer.Exit(1)
    if follow:
        raise typer.Exit(subprocess.run(["tail", "-n", "100", "-F", path], check=False).returncode)  # noqa: S603, S607
    typer.echo(path.read_text(errors="replace"), nl=False)


@app.command("load-image")
def load_image(
    archive: Annotated[Path, typer.Argument(help="An OCI archive.", exists=True, dir_okay=False)],
    name: Name = "fabula",
) -> None:
    """Load an image into every node: buildah push IMAGE oci-archive:FILE:NAME makes the file."""
    with _errors():
        _found(name).load_image(archive)


@app.command()
def down(name: Name = "fabula") -> None:
    """Remove the cluster with everything in it; the programs that were built stay."""
    with _errors():
        devcluster.down(name, say=typer.echo)


def _found(name: str) -> Cluster:
    cluster = devcluster.find(name)
    if cluster is None:
        raise ClusterError(f"no cluster {name!r}: start it with fabula dev up{_option(name)}")
    return cluster


def _option(name: str) -> str:
    return "" if name == "fabula" else f" --name {name}"


@contextmanager
def _errors() -> Iterator[None]:
    """Turn an error that a person can act on into its message and exit status 1."""
    try:
        yield
    except ClusterError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error
