"""The decisions: pure functions ``plan(observed, now) -> Plan``, one module or folder a kind."""
