"""Fabula's rollouts beside those of Argo Rollouts, on one cluster and with the same pods."""
