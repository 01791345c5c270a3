"""API keys as files: mounted from a Secret, and read again for every use because they rotate."""

from dataclasses import dataclass
from pathlib import Path

from runtime.engines.base import EngineError


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Where a member's API key lies."""

    member: str
    path: Path
    #: The Secret that is mounted there, where known.
    secret: str | None

    def read(self) -> str:
        """The key.

        Raises:
            EngineError: there is none; the message says which Secret to create.
        """
        try:
            key = self.path.read_text().strip()
        except OSError:
            key = ""
        if not key:
            raise EngineError("MissingKey", self._remedy())
        return key

    def refused(self) -> str:
        """What to do when the provider does not accept the key."""
        item = self.path.name
        if self.secret is None:
            return (
                f"the provider refuses the API key of member {self.member}: put a valid one into "
                f"the Secret that its engine's apiKeySecretRef names, under the key {item}"
            )
        return (
            f"the provider refuses the API key in Secret {self.secret}, key {item}: put a valid "
            f"one there, or allow it the model (kubectl edit secret {self.secret})"
        )

    def _remedy(self) -> str:
        item = self.path.name
        if self.secret is None:
            return (
                f"the API key of member {self.member} is missing: create the Secret that its "
                f"engine's apiKeySecretRef names, with the key {item}"
            )
        return (
            f"Secret {self.secret}, key {item}, is missing: kubectl create secret generic "
            f"{self.secret} --from-literal={item}=<the API key>"
        )
