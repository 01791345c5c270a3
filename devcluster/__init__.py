"""A real local Kubernetes: the one that KUBECONFIG names, or kind, or one of processes here.

cluster = devcluster.up("fabula")
subprocess.run(cluster.argv("kubectl", "get", "nodes"), env=cluster.env)
cluster.down()
"""

from devcluster.choose import down, find, up
from devcluster.cluster import Cluster, Part
from devcluster.errors import BuildError, ClusterError, PreflightError, StartError
from devcluster.progress import Progress, silent

__all__ = [
    "BuildError",
    "Cluster",
    "ClusterError",
    "Part",
    "PreflightError",
    "Progress",
    "StartError",
    "down",
    "find",
    "silent",
    "up",
]
