"""The shelf that models are fetched from."""

from tests.unit.runtime.models.conftest import shelf

__all__ = ["shelf"]
