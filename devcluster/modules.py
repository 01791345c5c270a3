"""Writes the pinned Go modules: `python -m devcluster.modules [GROUP ...]`.

Run it after changing a version and commit what it wrote; building never resolves anything.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from devcluster.versions import ALL, Group

MODULES = Path(__file__).parent / "modules"
_TOOLS = """\
//go:build tools

// Package tools keeps the programs of this group in go.mod. Written by devcluster.modules.
package tools

import (
{imports}
)
"""


def folder(group: Group) -> Path:
    """Where a group's go.mod, go.sum and sources lie."""
    return MODULES / group.name


def source(group: Group) -> Path:
    """Where Go keeps the module that a group is built from."""
    return Path(_go(folder(group), "list", "-m", "-f", "{{.Dir}}", group.module).strip())


def tools_source(group: Group) -> str:
    packages = sorted(path for path in group.packages().values() if path != ".")
    return _TOOLS.format(imports="\n".join(f'\t_ "{path}"' for path in packages))


def mod_source(group: Group, upstream: dict[str, object]) -> str:
    """The go.mod to start from; `go mod tidy` completes it with the indirect requirements."""
    lines = [f"module fabula.dev/devcluster/{group.name}", "", f"go {upstream['Go']}"]
    if group.module:
        lines += ["", f"require {group.module} {group.version}"]
    replaced = upstream.get("Replace")
    replace = []
    for entry in replaced if isinstance(replaced, list) else []:
        old, new = entry["Old"]["Path"], entry["New"]
        if group.staging and new["Path"].startswith("."):
            replace.append(f"\t{old} => {old} {group.staging}")
        elif "Version" in new:
            replace.append(f"\t{old} => {new['Path']} {new['Version']}")
    if replace:
        lines += ["", "replace (", *sorted(replace), ")"]
    return "\n".join(lines) + "\n"


def write(group: Group) -> None:
    target = folder(group)
    target.mkdir(parents=True, exist_ok=True)
    if any(path != "." for path in group.packages().values()):
        (target / "tools.go").write_text(tools_source(group))
    (target / "go.sum").unlink(missing_ok=True)
    (target / "go.mod").write_text(mod_source(group, _upstream(group)))
    _go(target, "mod", "tidy", f"-go={_upstream(group)['Go']}")


def _upstream(group: Group) -> dict[str, object]:
    """The required module's own go.mod, as `go mod edit -json` prints it."""
    if not group.module:
        return {"Go": "1.26.0"}
    with tempfile.TemporaryDirectory() as scratch:
        found = json.loads(
            _go(Path(scratch), "mod", "download", "-json", f"{group.module}@{group.version}")
        )
        parsed = json.loads(_go(Path(scratch), "mod", "edit", "-json", found["GoMod"]))
    if not isinstance(parsed, dict):
        raise TypeError(f"{group.module}: go mod edit printed no object")
    return parsed


def _go(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments],
        cwd=directory,
        env=os.environ | {"GOFLAGS": "", "GOWORK": "off"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=600,
    )
    return done.stdout


if __name__ == "__main__":
    wanted = set(sys.argv[1:])
    for each in ALL:
        if not wanted or each.name in wanted:
            print(f"{each.name} {each.version}", flush=True)
            write(each)
