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
    settings |= values or {}
    with progress.step("chart installed, operator ready"):
        run(
            [
                *("helm", "upgrade", "--install", "fabula", str(CHART)),
                *("--namespace", NAMESPACE, "--create-namespace"),
                *("--wait", "--timeout", f"{HELM_TIMEOUT}s"),
                *(arg for key, value in settings.items() for arg in ("--set", f"{key}={value}")),
            ],
            cluster.env,
            timeout=HELM_TIMEOUT + 30,
        )


def reference(target: str, archive: Path) -> str:
    """The name of an image. Its tag is its content, so that a change is a new image and nothing
    else is."""
    return f"fabula.dev/{target}:{archive.parent.name[:12]}"
