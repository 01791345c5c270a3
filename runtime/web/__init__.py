"""What our HTTP servers have in common."""
