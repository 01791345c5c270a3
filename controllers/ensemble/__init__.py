"""ModelEnsemble: what becomes of its members, revision by revision."""

from controllers.ensemble.planner import plan

__all__ = ["plan"]
