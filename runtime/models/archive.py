"""Unpacking a tar archive from elsewhere: no path leaves the folder, and its size is bounded."""

import tarfile
from pathlib import Path

from runtime.models.problems import ModelError
from runtime.models.transfer import disk_error

SUFFIXES = (".tar", ".tar.gz", ".tgz")
MAX_FILES = 10_000


def is_archive(name: str) -> bool:
    return name.endswith(SUFFIXES)


def unpack(archive: Path, folder: Path, limit: int) -> Path:
    """Unpack into a folder that is not there yet. Returns where the model is: the folder, or the
    only folder in it.

    Raises:
        ModelError: it is no tar archive, too large, or names a place outside of the folder.
    """
    total = count = 0
    try:
        folder.mkdir()
        with tarfile.open(archive) as tar:
            for item in tar:
                count += 1
                total += item.size
                if total > limit or count > MAX_FILES:
                    raise ModelError(
                        "TooLarge",
                        f"{archive.name} unpacks to more than {limit} bytes or {MAX_FILES} files; "
                        "raise sizeLimit, or check the archive",
                    )
                if not (item.isfile() or item.isdir()):
                    raise ModelError(
                        "Unusable",
                        f"{archive.name} holds more than files and folders; pack it without links",
                    )
                # PEP 706: refuses absolute paths and those that lead outside.
                tar.extract(item, folder, filter="data")
    except tarfile.FilterError:
        raise ModelError(
            "Unusable", f"{archive.name} names a path outside of itself; pack it with relative ones"
        ) from None
    except (tarfile.TarError, EOFError, ValueError):
        raise ModelError("Unusable", f"{archive.name} is no tar archive") from None
    except OSError as error:
        raise disk_error(error, archive.name) from None
    found = list(folder.iterdir())
    return found[0] if len(found) == 1 and found[0].is_dir() else folder
