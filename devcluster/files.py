"""Writes configuration files so that a reader sees the old content or the new, never a half."""

from pathlib import Path


def write(path: Path, content: str, mode: int = 0o644) -> None:
    """Write what differs only: some programs end when the file they were started with changes."""
    if path.exists() and path.read_text() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=mode)
    new.write_text(content)
    new.rename(path)
