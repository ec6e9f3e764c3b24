"""Commands as they are typed."""

import shlex


def write_command(command: str, *names: str, **options: str | None) -> str:
    """Write a command of ablate so that a shell hands every name and value over as it is.

    An option without a value is a flag; the `_` in an option's name stands for `-`.
    """
    words = [f"ablate {command}"]
    words += [write_option(option.replace("_", "-"), value) for option, value in options.items()]
    if any(name.startswith("-") for name in names):
        words.append("--")
    return " ".join([*words, *map(shlex.quote, names)])


def write_option(option: str, value: str | None = None) -> str:
    """Write an option of a command, and its value so that a shell hands it over as it is."""
    if value is None:
        return f"--{option}"
    joint = "=" if value.startswith("-") else " "
    return f"--{option}{joint}{shlex.quote(value)}"
