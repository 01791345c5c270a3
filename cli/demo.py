"""`fabula demo`: from nothing to a story that moves, with the time that each step takes."""

from typing import Annotated

import typer

import devcluster
from cli.install import ROOT, install
from cli.myself import program
from cli.run import CommandError, run
from cli.settle import settle
from devcluster.progress import Progress

EXAMPLE = ROOT / "examples" / "emberfall"
NAMESPACE = "emberfall"


def demo(
    name: Annotated[str, typer.Option(help="Name of the local cluster.")] = "fabula",
    install_packages: Annotated[
        bool,
        typer.Option("--install", help="Install the Debian packages that are missing."),
    ] = False,
    play: Annotated[bool, typer.Option(help="Ask the storyteller at the end.")] = True,
) -> None:
    """Bring up a local Kubernetes, install Fabula, apply the world Emberfall, ask its storyteller.

    Everything is real: an API server, a kubelet, containers, three language models. Run it again
    and it takes seconds. `fabula dev down` takes it all away.
    """
    progress = Progress(typer.echo)
    try:
        cluster = devcluster.up(name, install=install_packages, say=typer.echo)
        install(cluster, progress)
        with progress.step("world applied"):
            kubectl = ("kubectl", "--namespace", NAMESPACE)
            manifest = run(
                ["kubectl", "create", "namespace", NAMESPACE, "--dry-run=client", "-o", "yaml"],
                cluster.env,
                timeout=30,
            )
            apply = ("apply", "--server-side", "-f")
            run(["kubectl", *apply, "-"], cluster.env, timeout=30, stdin=manifest)
            run([*kubectl, *apply, str(EXAMPLE / "world")], cluster.env, timeout=60)
        with progress.step("world ready: three models warm, gateway answering"):
            settle(cluster.env, NAMESPACE, "world,me,st", 300)
        typer.echo("\n" + run([*kubectl, "get", "world,me,st"], cluster.env, timeout=30))
    except (CommandError, devcluster.ClusterError) as error:
        typer.secho(f"\n{error}", fg="red", err=True)
        raise typer.Exit(1) from None
    progress.total("demo up")
    if play:
        from cli.play import play_story

        play_story(cluster, NAMESPACE, "bard", EXAMPLE / "story.yaml")
    typer.echo(
        f'\nNext: eval "$({program()} dev env --name {name})" and kubectl -n {NAMESPACE} get me'
    )
