"""When two answers are the same answer: spelling, case and punctuation do not split a vote."""

import json
import re
import unicodedata
from collections.abc import Sequence

_NOT_A_WORD = re.compile(r"[^\w]+")


def canonical(text: str) -> str:
    """The form in which answers are compared. Never empty for text that is not blank.

    >>> canonical("  Open the GATE! ")
    'open the gate'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_A_WORD.sub(" ", folded).strip() or folded.strip()


def choose(answer: str, options: Sequence[str]) -> str | None:
    """The option that an answer names, or None when it names none.

    Takes the JSON that engines are constrained to (``{"choice": ...}``), and the bare option that
    an engine without constrained output may write.

    >>> choose('{"choice": "flee"}', ["Fight", "Flee"])
    'Flee'
    """
    said = canonical(_choice_in(answer))
    return next((option for option in options if canonical(option) == said), None)


def _choice_in(answer: str) -> str:
    try:
        parsed = json.loads(answer)
    except ValueError:
        return answer
    if isinstance(parsed, dict) and isinstance(parsed.get("choice"), str):
        return str(parsed["choice"])
    return answer
