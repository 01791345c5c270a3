"""The machine's limits that one cluster stays within and several beside each other do not."""

from pathlib import Path

from devcluster.progress import Progress

_PROC = Path("/proc/sys")
WANTED = {
    # A cluster takes about 40: each kubelet, containerd and shim watches files.
    "fs/inotify/max_user_instances": 1024,
    "fs/inotify/max_user_watches": 524288,
}


def widen(progress: Progress, proc: Path = _PROC) -> None:
    """Raise what is lower; it stays raised until the machine restarts, and says so."""
    for name, wanted in WANTED.items():
        path = proc / name
        now = int(path.read_text())
        if now >= wanted:
            continue
        key = name.replace("/", ".")
        try:
            path.write_text(str(wanted))
        except OSError as error:
            progress.note(f"{key} stays {now}, more clusters may need {wanted}: {error.strerror}")
        else:
            progress.note(f"{key} raised from {now} to {wanted} until the machine restarts")
