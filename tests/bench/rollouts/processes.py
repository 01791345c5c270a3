"""Processes of pods, and the memory of processes, by what the kernel says of them."""

from pathlib import Path


def of_pod(uid: str) -> list[int]:
    """The processes of a pod of this machine."""
    marks = uid, uid.replace("-", "_")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = (folder / "cgroup").read_text()
        except OSError:
            continue  # it ended while we looked
        if any(mark in group for mark in marks):
            found.append(int(folder.name))
    return found


def resident_mib(process: int) -> float:
    """Resident memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
