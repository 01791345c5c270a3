"""Rollouts: how a changed member reaches players, step by step, and whether everyone shall have it.

`decide` is the way in: it moves one `turn`, and says what each member runs (`course`). What a
rollout is judged by is `terms`, what was seen amounts to what `analysis` and `watch` say, and
`budget` counts what promotions have cost. `record` and `budget` outlast a rollout, in ConfigMaps.
"""
