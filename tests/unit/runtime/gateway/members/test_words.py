"""What of an answer is taken."""

import pytest

from runtime.gateway.members.words import tidy


@pytest.mark.parametrize(
    ("said", "clipped", "taken"),
    [
        ("The gate falls. The fires go o", True, "The gate falls."),
        ("“Wait!” she says. And th", True, "“Wait!” she says."),
        ('He asks: "Who?" Then the', True, 'He asks: "Who?"'),
        ("no end at all", True, "no end at all"),
        ('"The gate falls."', False, "The gate falls."),
        ('"Wait," she says. "The gate falls."', False, '"Wait," she says. "The gate falls."'),
        ("  The   gate\tfalls. ", False, "The gate falls."),
        ('""', False, ""),
    ],
)
def test_prose_ends_with_a_sentence_and_stands_without_quotes(
    said: str, clipped: bool, taken: str
) -> None:
    assert tidy(said, clipped=clipped) == taken
