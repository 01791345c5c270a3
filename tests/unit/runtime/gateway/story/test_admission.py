"""Who finds no room is told so before anything else is done."""

from contextlib import ExitStack

import pytest

from runtime.gateway.story.admission import Admission, OverloadedError


def test_as_many_come_in_as_there_are_places_and_seats() -> None:
    admission = Admission(places=2, queue=1)
    with ExitStack() as inside:
        for _ in range(3):
            inside.enter_context(admission.door())
        with pytest.raises(OverloadedError), admission.door():
            raise AssertionError
    with admission.door():
        pass
