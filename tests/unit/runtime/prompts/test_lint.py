"""What the linter finds in a template."""

import pytest

from runtime.prompts import DEFAULTS, NAMES, lint

GOOD = "<story>{{ question }}{% for f in facts %}{{ f }}{% endfor %}</story>{{ options | join }}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_what_ships(name: str) -> None:
    assert lint(name, DEFAULTS[name]) == []


def test_nothing_in_a_short_one() -> None:
    assert lint("user.j2", GOOD) == []


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("usr.j2", GOOD, "there are system.j2, user.j2"),
        ("user.j2", "{% if %}", "user.j2:1:"),
        ("user.j2", GOOD + "\n{{ qestion }}", "user.j2:2: qestion is not known here; did you mean"),
        ("system.j2", "{{ persona }} {{ question }}", "may hold a player's words"),
        ("system.j2", "Be brief.", "persona (who speaks) is never used"),
        ("user.j2", "<story>{{ question }}{{ facts }}</story>", "options"),
        ("user.j2", GOOD + "{{ player }}", "player may hold a player's words: move it"),
        ("user.j2", GOOD.replace("story", "tale"), "no marks"),
        ("user.j2", GOOD + "{{ turns[0].answer }}", "fails with a usual scene"),
        ("user.j2", GOOD + "{{ turns[0].question[:2] }}", "fails with a usual scene"),
        ("user.j2", "x" * 40_000, "shorten it"),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy(name: str, source: str, told: str) -> None:
    assert told in "\n".join(str(finding) for finding in lint(name, source))
