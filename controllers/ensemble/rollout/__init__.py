"""Rollouts: how a changed member reaches players, step by step, and whether everyone shall have it.

`decide` is the way in; what the words become in pods is `controllers.ensemble.members`.
"""
