"""What a name of a registry means: the version, and the digest of its files."""

import structlog

from crds.models import ModelReport
from runtime.models import mlflow, tree
from runtime.models.transfer import digest_of

log = structlog.get_logger(__name__)

#: A version without a digest in a tag is read as a whole, up to this many bytes.
MAX_BYTES = 2**40


async def resolve(
    registry: mlflow.Registry, uri: str, known: ModelReport | None = None
) -> ModelReport:
    """Ask what a uri means.

    Args:
        registry: where.
        uri: the name.
        known: a version whose digest is known, so that its files need not be read again.

    Raises:
        ModelError: it means nothing, or the registry is away.
    """
    version = await registry.version(uri)
    if version.digest:
        return ModelReport(digest=version.digest, version=version.version)
    if known and known.version == version.version:
        return known
    log.info("reading all files to know their digest", version=version.version)
    files: dict[str, str] = {}
    left = MAX_BYTES
    for path, file in (await registry.files(version)).items():
        files[path], size = await digest_of(file, left)
        left -= size
    return ModelReport(digest=tree.digest(files), version=version.version)
