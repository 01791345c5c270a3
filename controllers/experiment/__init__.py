"""EvolutionExperiment: an idea about the game, from its first players to everyone or back."""

from controllers.experiment.planner import plan

__all__ = ["plan"]
