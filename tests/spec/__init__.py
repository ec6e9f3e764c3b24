"""Tests of `ablate.spec`."""
