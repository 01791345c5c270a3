"""The pages that the documentation shows are what the command writes now."""

import re

import pytest

from tests.unit.docs.example_reports import EXAMPLES, PAGES, written

#: Texts of the status are told by others, and figures differ in the last digit between machines.
TAGS = re.compile(r"<[^>]*>|[^<]+")
VARYING = re.compile(r"[0-9a-f]{64}|[−+]?[0-9][0-9a-f,.]*")


def shape(page: str) -> list[str]:
    """The page without its numbers."""
    return [VARYING.sub("0", part) for part in TAGS.findall(page) if not part.isspace()]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_in_the_documentation_is_as_it_would_be_written_now(name: str) -> None:
    now = written(EXAMPLES[name]())
    kept = (PAGES / name).read_text()
    assert shape(kept) == shape(now), "run python -m tests.unit.docs.example_reports"
