"""When two answers are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.consensus import canonical, choose

OPTIONS = ["Open the gate", "Ring the bell", "Straße räumen"]


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ('{"choice": "Open the gate"}', "Open the gate"),
        ('{"choice":"  open the GATE! "}', "Open the gate"),
        ("Ring the bell.", "Ring the bell"),
        ("“ring, the bell”", "Ring the bell"),
        ('{"choice": "STRASSE RÄUMEN"}', "Straße räumen"),
        ("Ring", None),
        ('{"choice": 3}', None),
        ('{"other": "Ring the bell"}', None),
        ("[1, 2]", None),
        ("", None),
    ],
)
def test_an_answer_names_an_option_or_none(answer: str, option: str | None) -> None:
    assert choose(answer, OPTIONS) == option


@given(st.text())
def test_the_canonical_form_is_its_own(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(st.text().filter(lambda text: text.strip()))
def test_what_is_not_blank_never_becomes_blank(text: str) -> None:
    assert canonical(text)
