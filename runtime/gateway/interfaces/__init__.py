"""What games, auditors and operators call over HTTP. The same over gRPC is runtime.protocol."""
