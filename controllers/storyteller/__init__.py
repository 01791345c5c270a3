"""Storyteller: its gateways, what they are told, and what they say."""

from controllers.storyteller.planner import farewell, plan

__all__ = ["farewell", "plan"]
