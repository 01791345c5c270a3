"""Tests on a real API server: what it refuses, in which words, and who may do what."""
