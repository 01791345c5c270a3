"""World: whether everything that belongs to it is well, and the service of its tunables."""

from controllers.world.planner import plan

__all__ = ["plan"]
