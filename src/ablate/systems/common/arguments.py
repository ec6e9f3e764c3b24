"""What arguments of a module must be."""


def check(**arguments: tuple[object, bool, str]) -> None:
    """Raise ValueError that names every argument that is out of range.

    Each is given as its value, whether it holds, and what it must be.
    """
    problems = [
        f"{name} must be {rule}, got {value!r}"
        for name, (value, holds, rule) in arguments.items()
        if not holds
    ]
    if problems:
        raise ValueError("; ".join(problems))
