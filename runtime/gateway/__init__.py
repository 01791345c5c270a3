"""The gateway: what game clients call. One process a pod; it asks the members of an ensemble,
counts their answers and writes each decision down before it is final."""
