"""The gateway over gRPC: ``fabula.v1.ModelEnsemble`` of ``model_ensemble.proto``, with health and
reflection. ``python -m runtime.protocol`` writes the stubs."""
