"""What can go wrong with a cluster and what a caller can do about it."""


class ClusterError(Exception):
    """A cluster could not do what was asked; the message names the part and the remedy."""


class PreflightError(ClusterError):
    """Something is missing on this machine; the message says which command installs it."""


class BuildError(ClusterError):
    """A program of the cluster could not be built."""


class UnreachableError(ClusterError):
    """The API server does not answer."""


class StartError(ClusterError):
    """A part of the cluster did not become ready; the message ends with its last log lines."""
