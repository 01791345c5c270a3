"""What is, for a decision: one module a kind, all by live reads."""
