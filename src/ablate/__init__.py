"""Hyper-parameter search and ablation for PyTorch Lightning."""

__version__ = "0.1.0"
__all__ = ["__version__"]
