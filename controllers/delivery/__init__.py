"""Whether a canary may go on: statistics of rollouts and experiments, valid while being watched.

The way in is `evidence.feed`, which counts what sessions came to, and `verdict.look`, which says
what the counts amount to. What is declared beforehand is an `AnalysisPlan` (`plan`). Everything
here is pure and imports NumPy: a planner imports it where an analysis is asked for, not before.
"""
