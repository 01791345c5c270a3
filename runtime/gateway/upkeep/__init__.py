"""What is done beside decisions, in the background: signing, indexing, learning, removing."""
