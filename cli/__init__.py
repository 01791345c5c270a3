"""`fabula`, also installed as `kubectl-fabula`."""
