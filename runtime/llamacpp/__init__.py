"""The engine pod: llama.cpp's server behind a thin wrapper that makes it fit for Kubernetes.

The wrapper adds what a cluster needs and llama.cpp lacks: a start-up check that generates, a drain,
cancellation of every kind of request, a bounded queue, its own metrics, and switches for tests and
game days. It imports nothing else of ours, so that its image stays small.
"""
