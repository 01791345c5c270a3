"""Bad manifests, generated: each field of each kind, wrong in each way, is refused by its name."""

import pytest

from tests.api.faults import Fault, every_fault
from tests.api.server import Server


@pytest.mark.parametrize("fault", list(every_fault()), ids=lambda fault: fault.what)
def test_is_refused_by_name(server: Server, fault: Fault) -> None:
    answer = server.check(fault.manifest)
    assert not answer.accepted
    assert fault.field in answer.message
    assert fault.words in answer.message
