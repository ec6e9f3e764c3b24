"""Tests of ablate."""
