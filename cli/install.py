"""Fabula into a local cluster: images built and loaded, the chart installed."""

from collections.abc import Mapping
from pathlib import Path

import images
from cli.run import run
from devcluster import Cluster
from devcluster.progress import Progress

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "fabula"
NAMESPACE = "fabula-system"
RELEASE = "fabula"
HELM_TIMEOUT = 180


def install(cluster: Cluster, progress: Progress, values: Mapping[str, str] | None = None) -> None:
    """Build what is not built, load what is not loaded, and install or upgrade the chart.

    Args:
        cluster: where to.
        progress: whom to tell.
        values: chart values beside the image tags, as for ``helm --set``.
    """
    with progress.step("images built"):
        archives = images.build(say=progress.note)
    with progress.step("images in the cluster"):
        for archive in archives.values():
            cluster.load_image(archive)
    settings = {f"images.{name}": reference(name, archive) for name, archive in archives.items()}
    with progress.step("chart installed, operator ready"):
        upgrade(cluster, {**settings, **(values or {})}, "--wait")
        leave_to_new(cluster.env)


def upgrade(cluster: Cluster, values: Mapping[str, str], *options: str) -> None:
    """Install the chart, or upgrade what is installed.

    Args:
        cluster: where to.
        values: as for ``helm --set``.
        options: more for ``helm upgrade``.
    """
    settings = [argument for item in values.items() for argument in ("--set", "=".join(item))]
    run(
        [
            *cluster.argv("helm", "upgrade", "--install", RELEASE, str(CHART)),
            *("--namespace", NAMESPACE, "--create-namespace"),
            *("--timeout", f"{HELM_TIMEOUT}s", *settings, *options),
        ],
        cluster.env,
        timeout=HELM_TIMEOUT + 30,
    )


def leave_to_new(env: Mapping[str, str]) -> None:
    """Wait until no earlier operator runs: Helm is content once a new one is ready, and until the
    earlier one gives the Lease back it is the earlier one that decides."""
    kubectl = ("kubectl", "--namespace", NAMESPACE)
    limit = f"--timeout={HELM_TIMEOUT}s"
    deployment = ("rollout", "status", f"deployment/{RELEASE}-operator", limit)
    run([*kubectl, *deployment], env, timeout=HELM_TIMEOUT + 30)
    leaving = "{range .items[?(@.metadata.deletionTimestamp)]}{.metadata.name} {end}"
    chosen = ("get", "pods", "--selector=app.kubernetes.io/name=fabula-operator")
    pods = run([*kubectl, *chosen, f"--output=jsonpath={leaving}"], env, timeout=30).split()
    if pods:
        gone = ("wait", "--for=delete", *(f"pod/{pod}" for pod in pods), limit)
        run([*kubectl, *gone], env, timeout=HELM_TIMEOUT + 30)


def reference(target: str, archive: Path) -> str:
    """The name of an image. Its tag is its content, so that a change is a new image and nothing
    else is."""
    return f"fabula.dev/{target}:{archive.parent.name[:12]}"
