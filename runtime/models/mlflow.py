"""MLflow's REST API, as far as a model needs it: what an alias means, which files a version has."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from yarl import URL

from runtime.models.problems import ModelError
from runtime.models.web import Web, WebFile

#: A tag of a version with the digest of its files, which saves reading them all to know it.
DIGEST_TAG = "fabula.digest"
MAX_FILES = 10_000
MAX_DEPTH = 16
_REFERENCE = re.compile(r"mlflow:(?P<name>[-\w.]+)(?:@(?P<alias>[-\w.]+)|/(?P<version>\d+))")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    name: str
    version: str
    #: As its tag says.
    digest: str | None = None


@dataclass(frozen=True)
class Registry:
    """An MLflow server, which serves its artifacts too."""

    web: Web
    url: URL

    async def version(self, uri: str) -> Version:
        """The version that `mlflow:NAME@ALIAS` or `mlflow:NAME/VERSION` means now.

        Raises:
            ModelError: there is none, or it is not ready.
        """
        match = _REFERENCE.fullmatch(uri)
        if match is None:
            raise ModelError("Unusable", f"{uri} is not mlflow:NAME@ALIAS or mlflow:NAME/VERSION")
        name, alias, number = match.group("name", "alias", "version")
        try:
            if alias:
                answer = await self._call("registered-models/alias", name=name, alias=alias)
            else:
                answer = await self._call("model-versions/get", name=name, version=number)
        except ModelError as error:
            # For an alias that is not there MLflow answers 400, for all else 404.
            if error.problem == "NotFound" or error.status == 400:
                told = f"{self.url} knows no {uri.removeprefix('mlflow:')}; correct the uri"
                raise ModelError("NotFound", told) from None
            raise
        found = answer.get("model_version") or {}
        version, status = str(found.get("version", "")), str(found.get("status", "READY"))
        if not re.fullmatch(r"[0-9]{1,9}", version):
            raise ModelError("Refused", f"{self._said('the version')} is no number")
        if status != "READY":
            raise ModelError("Unreachable", f"version {version} of {name} is not ready yet")
        tags = {str(tag.get("key")): str(tag.get("value")) for tag in found.get("tags") or ()}
        tagged = tags.get(DIGEST_TAG)
        if tagged is not None and not _DIGEST.fullmatch(tagged):
            raise ModelError(
                "Unusable",
                f"the tag {DIGEST_TAG} of version {version} is not sha256: and 64 digits; correct "
                "or remove it",
            )
        return Version(name, version, tagged)

    async def files(self, version: Version) -> dict[str, WebFile]:
        """The files of a version, by path.

        Raises:
            ModelError: they are kept where this cannot read them, or there are none.
        """
        answer = await self._call(
            "model-versions/get-download-uri", name=version.name, version=version.version
        )
        root = URL(str(answer.get("artifact_uri", "")))
        if root.scheme != "mlflow-artifacts":
            raise ModelError(
                "Unusable",
                f"the files of version {version.version} are at {root.scheme or 'nowhere'}:, not "
                "with the registry; start it with --artifacts-destination, or name the model by "
                "its s3 or https address",
            )
        artifacts = self.url / "api/2.0/mlflow-artifacts/artifacts"
        path = root.path.strip("/")
        found = {
            inside: WebFile(self.web, artifacts.joinpath(*path.split("/"), *inside.split("/")))
            async for inside in self._list(artifacts, path, "", MAX_DEPTH)
        }
        if not found:
            raise ModelError("Unusable", f"version {version.version} has no files")
        return found

    async def _list(self, artifacts: URL, root: str, below: str, depth: int) -> AsyncIterator[str]:
        """Paths of all files below a folder."""
        if depth == 0:
            raise ModelError("Unusable", f"folders are nested more than {MAX_DEPTH} deep")
        here = f"{root}/{below}".rstrip("/")
        answer = await self._answer(artifacts.with_query(path=here))
        files = answer.get("files") or []
        if len(files) > MAX_FILES:
            raise ModelError("TooLarge", f"a folder holds more than {MAX_FILES} files")
        for item in files:
            name = str(item.get("path", "")).rpartition("/")[2]
            if name in ("", ".", "..") or "\0" in name or "\n" in name:
                raise ModelError("Unusable", "a file of the version has a name that cannot be used")
            path = f"{below}/{name}".lstrip("/")
            if item.get("is_dir"):
                async for inside in self._list(artifacts, root, path, depth - 1):
                    yield inside
            else:
                yield path

    async def _call(self, method: str, **query: str) -> dict[str, Any]:
        return await self._answer((self.url / "api/2.0/mlflow" / method).with_query(query))

    async def _answer(self, url: URL) -> dict[str, Any]:
        answer = await self.web.json(url)
        if not isinstance(answer, dict):
            raise ModelError("Refused", f"{self._said('the answer')} is no object")
        return answer

    def _said(self, what: str) -> str:
        return f"{what} of {self.url}"
