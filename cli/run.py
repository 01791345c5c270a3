"""Running kubectl and helm against a cluster, with their words kept for when they fail."""

import subprocess
from collections.abc import Mapping, Sequence


class CommandError(Exception):
    """A command failed; the message has the command and what it said last."""


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    timeout: float,
    stdin: str | None = None,
) -> str:
    """The standard output of a command.

    Raises:
        CommandError: it failed, is not there, or took longer than ``timeout`` seconds.
    """
    line = " ".join(argv)
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            list(argv),
            env=dict(env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError(f"{argv[0]} is not on the PATH: {line}") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"no end after {timeout:.0f} s: {line}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-12:]
        raise CommandError(f"{line} ended with {done.returncode}:\n" + "\n".join(said))
    return done.stdout
