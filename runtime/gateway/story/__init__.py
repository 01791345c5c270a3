"""How a decision goes, from a claimed turn to a logged answer. Knows no interface."""
