"""Checkpoints: exact, and refused with a remedy where they do not fit."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.delivery.checkpoint import CheckpointError, digest, dump, load
from controllers.delivery.evidence import feed, start
from tests.unit.controllers.delivery.builders import PLAN, sessions

EVIDENCE = feed(start(PLAN), PLAN, sessions(40, canary=0.3, missing=0.1)[:-1])
TEXT = dump(EVIDENCE, PLAN)


@given(st.integers(0, 120))
def test_what_is_read_is_what_was_written_to_the_bit(records: int) -> None:
    evidence = feed(start(PLAN), PLAN, sessions(40, canary=0.3, missing=0.1)[:records])
    text = dump(evidence, PLAN)
    assert load(text, PLAN) == evidence
    assert dump(load(text, PLAN), PLAN) == text


def test_it_says_up_to_which_record_it_was_computed() -> None:
    assert json.loads(TEXT)["cursor"] == {"gateway-0": 158}


def test_it_is_small() -> None:
    assert len(TEXT) < 3000


def test_the_digest_is_that_of_the_text() -> None:
    assert digest(TEXT) == digest(dump(EVIDENCE, PLAN))
    assert digest(TEXT) != digest(dump(start(PLAN), PLAN))


def test_an_unknown_version_is_refused_with_the_remedy() -> None:
    newer = json.dumps({**json.loads(TEXT), "version": 2})
    with pytest.raises(CheckpointError, match=r"has version 2, .* run the operator that wrote it"):
        load(newer, PLAN)


def test_another_plan_is_refused_with_the_remedy() -> None:
    with pytest.raises(CheckpointError, match=r"another plan; delete it"):
        load(TEXT, replace(PLAN, cap=7))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", TEXT[:-40], TEXT.replace('"blocks"', '"box"')]
)
def test_a_damaged_one_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(CheckpointError, match="damaged; delete it"):
        load(text, PLAN)
