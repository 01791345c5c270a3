"""The configuration service of a World: games read its tunables here, one service a World. It keeps
nothing; what it serves is in a ConfigMap that the operator writes."""
