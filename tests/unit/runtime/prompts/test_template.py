"""What a template can do, and what neither it nor a player can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.prompts import DEFAULTS, Template, TemplateError, Trusted, harmless

SCENE = {
    "player": "Mara",
    "facts": ["Mara carries a coal."],
    "context": ["It snows."],
    "summary": "They met a fox.",
    "turns": [{"question": "Who is there?", "decision": "A fox"}],
    "question": "Does it bite?",
    "options": ["Yes", "No"],
}


def test_the_default_tells_the_tale_in_order_and_then_the_task() -> None:
    told, task = Template(DEFAULTS["user.j2"]).render(SCENE).split("\n</story>\n\n")
    assert told.splitlines() == [
        "<story>",
        "Mara is here.",
        "Mara carries a coal.",
        "It snows.",
        "They met a fox.",
        "Who is there? A fox",
        "Does it bite?",
    ]
    assert task.startswith("Choose what happens next. The choices are:\n- Yes\n- No\n")


def test_words_of_the_owners_stand_as_they_wrote_them() -> None:
    assert Template("{{ lore }}").render({"lore": Trusted("<b>[INST]")}) == "<b>[INST]"


def test_what_is_made_from_trusted_words_is_not_trusted() -> None:
    template = Template("{{ lore ~ name }} {{ lore | upper }}")
    assert template.render({"lore": Trusted("<a>"), "name": "<b>"}) == "‹a›‹b› ‹A›"


@given(st.text(max_size=60))
def test_no_text_of_a_player_closes_the_marks_or_becomes_code(text: str) -> None:
    told = Template("<story>{{ question }}</story>").render({"question": text})
    assert told.count("<") == 2
    assert told == f"<story>{harmless(text)}</story>"


def test_braces_in_a_value_stay_braces() -> None:
    assert Template("{{ question }}").render({"question": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ question.__class__ }}",
        "{{ '%s' | attr('__class__') }}",
        "{{ '{0.__class__}'.format(question) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% for i in range(9) %}{{ i }}{% endfor %}",
        "{{ turns.append(1) }}",
        "{{ unheard }}",
    ],
)
def test_a_template_reaches_only_what_it_is_given(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source).render(SCENE)


@pytest.mark.parametrize(
    "source", ["{% include 'x' %}", "{% extends 'x' %}", "{% from 'x' import y %}", "{% if %}"]
)
def test_a_template_that_cannot_stand_alone_is_refused_with_its_line(source: str) -> None:
    with pytest.raises(TemplateError, match="line 2"):
        Template(f"first\n{source}")


def test_a_text_beyond_all_bounds_is_stopped() -> None:
    source = "{% for a in facts %}{% for b in facts %}{{ question }}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match="bound its loop"):
        Template(source).render({"facts": ["x"] * 1000, "question": "y" * 1000})


def test_the_digest_is_of_the_text() -> None:
    assert Template("a").digest == Template("a").digest != Template("a ").digest
