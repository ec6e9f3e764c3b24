"""Tests of `ablate.workflow`, the Python API."""
