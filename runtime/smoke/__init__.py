"""The first question to a new revision of a member, asked by a pod of its own."""
