"""The processes of a native cluster, which run on this machine: what a test may freeze."""

from pathlib import Path


def processes(pod: str) -> list[int]:
    """Main processes of a pod's engine container on this machine, by the pod's uid."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_text()
        except OSError:
            continue  # it ended while we looked
        if pod in group and "runtime.llamacpp" in command:
            found.append(int(folder.name))
    return found
