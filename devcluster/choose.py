"""Decides which cluster it shall be: one that exists, kind in Docker, or the native one."""

import os
from pathlib import Path

from devcluster import existing, kindcluster, native, preflight
from devcluster.cluster import Cluster
from devcluster.layout import check_name, clusters_root
from devcluster.progress import Progress, Say, silent


def up(
    name: str = "fabula",
    nodes: int = 1,
    *,
    install: bool = False,
    audit: bool = True,
    say: Say | Progress = silent,
) -> Cluster:
    """Make a cluster run and return it; what runs already is left alone.

    `install` lets it install the Debian packages it lacks; `audit` has a new native cluster write
    `Cluster.audit_log`. Raises PreflightError before anything is started when something is
    missing, BuildError and StartError when a part fails.
    """
    check_name(name)
    progress = say if isinstance(say, Progress) else Progress(say)
    given = given_kubeconfig()
    if given is not None:
        progress.note(f"using the cluster of KUBECONFIG={given}")
        return existing.use(name, given)
    if native.find(name) is None:
        why_not = kindcluster.unusable()
        if why_not is None:
            return kindcluster.up(name, nodes, progress)
        progress.note(f"{why_not}: starting a native cluster")
    preflight.check(progress, install=install)
    cluster = native.up(name, nodes, progress, audit=audit)
    progress.total(f"cluster {name} is up")
    return cluster


def find(name: str = "fabula") -> Cluster | None:
    """The cluster of that name if it was started, whether it is well or not."""
    check_name(name)
    given = given_kubeconfig()
    if given is not None:
        return existing.use(name, given)
    return native.find(name) or kindcluster.find(name)


def down(name: str = "fabula", *, say: Say = silent) -> None:
    """Remove the cluster of that name, also what a killed start left of one."""
    cluster = find(name)
    if cluster is not None:
        cluster.down(say)
    else:
        native.down(name, Progress(say))


def given_kubeconfig() -> Path | None:
    """The file in KUBECONFIG, unless it is the one of a cluster made here (`fabula dev env`)."""
    value = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not value or Path(value).is_relative_to(clusters_root()):
        return None
    return Path(value)
