"""Answers that may be given again: a bounded shelf, found by an exact key or by likeness, and one
place to wait for an answer that is under way. What makes two questions the same is the caller's."""

from runtime.cache.flights import Flights
from runtime.cache.likeness import Embed, could_mean_the_same
from runtime.cache.shelf import Near, Shelf

__all__ = ["Embed", "Flights", "Near", "Shelf", "could_mean_the_same"]
