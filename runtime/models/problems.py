"""The one way in which this fails, told in a pod's termination message."""

from crds.models import Problem

#: Another try would end the same, and may cost a large download.
LASTING: frozenset[Problem] = frozenset({"DigestMismatch", "NoSpace", "TooLarge", "Unusable"})


class ModelError(Exception):
    """A model was not resolved or fetched. The message names the remedy and holds no secret.

    Attributes:
        problem: the kind of failure.
        status: of the HTTP answer, where one is what failed.
    """

    def __init__(self, problem: Problem, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.problem = problem
        self.status = status
