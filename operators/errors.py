"""What can go wrong when the API server is asked for something, one type a remedy."""

from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """A request that the API server refused or did not answer.

    Attributes:
        what: the request in words: "apply Deployment story/ember-scout-1a2b3c4d".
        said: the API server's own message, or what happened instead of an answer.
        status: HTTP status; 0 when there was no answer.
    """

    what: str
    said: str
    status: int = 0

    remedy = ""

    def __str__(self) -> str:
        return f"cannot {self.what}: {self.said}" + (f"; {self.remedy}" if self.remedy else "")


class NotFoundError(ApiError):
    """The object, or its namespace, is not there."""


class ConflictError(ApiError):
    """The object is not what it was taken for: another uid, or changed meanwhile."""


class AlreadyExistsError(ConflictError):
    """The object to create is there already."""


class ForbiddenError(ApiError):
    """The operator lacks a permission, or a quota or policy says no."""

    remedy = (
        "give the operator's ServiceAccount this permission (the chart's Role lists all that it "
        "needs), or lift the quota or policy that is named"
    )


class InvalidError(ApiError):
    """The API server or a webhook refuses the object."""

    remedy = "correct the field in the spec that this comes from"


class ExpiredError(ApiError):
    """A list took so long that its continuation is gone; start again."""


class UnavailableError(ApiError):
    """No usable answer in time. The next run tries again."""

    #: Seconds that the server asks to wait.
    retry_after = 0.0
    remedy = "the operator tries again by itself"


class NotLeaderError(Exception):
    """A write was refused because the Lease is not held for long enough."""


def error_for(status: int, reason: str, what: str, said: str) -> ApiError:
    """The error of an HTTP status and the `reason` of the API server's Status object."""
    kinds: dict[int, type[ApiError]] = {
        400: InvalidError,
        401: ForbiddenError,
        403: ForbiddenError,
        404: NotFoundError,
        409: AlreadyExistsError if reason == "AlreadyExists" else ConflictError,
        410: ExpiredError,
        413: InvalidError,
        415: InvalidError,
        422: InvalidError,
    }
    return kinds.get(status, UnavailableError)(what, said, status)
