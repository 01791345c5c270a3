import threading

import pytest

from devcluster import ports, record
from devcluster.errors import ClusterError
from devcluster.layout import FIRST_PORT, clusters_root


@pytest.fixture(autouse=True)
def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: True)


def test_each_cluster_gets_a_number_of_its_own() -> None:
    slots = [record.create(name, 1, audit=True).slot for name in ("a", "b", "c")]
    assert slots == [0, 1, 2]
    assert record.names() == ["a", "b", "c"]


def test_a_number_whose_port_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: port > FIRST_PORT + 1)
    assert record.create("a", 1, audit=True).slot == 2


def test_no_number_left_says_which_command_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(ClusterError, match="dev down"):
        record.create("a", 1, audit=True)


def test_what_was_chosen_is_remembered() -> None:
    made = record.create("a", 2, audit=False)
    assert record.load("a") == made
    layout = made.layout("a")
    assert (layout.nodes, layout.audit) == (2, False)


def test_a_cluster_that_never_was_has_no_record() -> None:
    assert record.load("nobody") is None


def test_one_command_at_a_time_changes_a_cluster() -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(5)
        with record.exclusive("a"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with record.exclusive("a"):
        inside.set()
        other.join(0.1)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]


def test_the_last_cluster_takes_the_lock_files_and_folders_with_it() -> None:
    with record.exclusive("a"):
        record.create("a", 1, audit=True)
        (clusters_root() / "a" / "cluster.json").unlink()
        (clusters_root() / "a").rmdir()
    assert not clusters_root().parent.exists()


def test_lock_files_stay_while_another_cluster_needs_them() -> None:
    record.create("a", 1, audit=True)
    record.create("b", 1, audit=True)
    record.forget_locks("b")
    assert (clusters_root() / ".lock").exists()


def test_a_command_for_a_cluster_that_is_not_there_leaves_no_lock() -> None:
    with record.exclusive("a"):
        assert (clusters_root() / ".a.lock").exists()
    assert not clusters_root().parent.exists()
