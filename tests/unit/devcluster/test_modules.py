import re

import pytest

from devcluster import modules
from devcluster.versions import ALL, KUBERNETES, Group


@pytest.mark.parametrize("group", ALL, ids=lambda group: group.name)
def test_the_committed_module_is_the_one_of_the_table(group: Group) -> None:
    folder = modules.folder(group)
    text = (folder / "go.mod").read_text()
    if group.module:
        assert f"{group.module} {group.version}\n" in text
        assert (folder / "go.sum").stat().st_size > 0
    if any(path != "." for path in group.packages().values()):
        assert (folder / "tools.go").read_text() == modules.tools_source(group)
    else:
        assert (folder / "main.go").is_file()


def test_kubernetes_takes_its_33_staging_modules_from_where_they_are_published() -> None:
    text = (modules.folder(KUBERNETES) / "go.mod").read_text()
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) == 33
    assert all(old == new and version == "v0.37.2" for old, new, version in replaced)


def test_folders_of_the_upstream_tree_become_versions_and_forks_stay() -> None:
    group = Group(name="g", version="v1.2.3", module="m", staging="v0.2.3")
    upstream: dict[str, object] = {
        "Go": "1.26.0",
        "Replace": [
            {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/api"}},
            {"Old": {"Path": "old"}, "New": {"Path": "fork", "Version": "v9"}},
        ],
    }
    text = modules.mod_source(group, upstream)
    assert "\tk8s.io/api => k8s.io/api v0.2.3\n" in text
    assert "\told => fork v9\n" in text
    assert "require m v1.2.3\n" in text
