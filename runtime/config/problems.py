"""What the failures of this service are called; the rest are every server's."""

from http import HTTPStatus

from runtime.config.service import CrowdedError, NotConfiguredError
from runtime.web.problems import RETRY_SECONDS, Failure, problem, says


@says(NotConfiguredError)
def _not_configured(error: NotConfiguredError) -> Failure:
    return problem(
        "not-configured",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The service has no configuration yet",
        "the operator has not written its ConfigMap; see `kubectl describe world`",
    )


@says(CrowdedError)
def _crowded(error: CrowdedError) -> Failure:
    return problem(
        "crowded",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many wait for a change",
        f"as many requests wait as may; send it again after {RETRY_SECONDS} s, without wait, or "
        "raise spec.config.replicas of the World",
    )
