"""The `ablate` command."""

import os
import sys

import typer

from ablate import __version__
from ablate.cli.audit import audit
from ablate.cli.compare import compare
from ablate.cli.confirm import confirm
from ablate.cli.dashboard import dashboard
from ablate.cli.freeze import freeze
from ablate.cli.plan import plan
from ablate.cli.replay import replay
from ablate.cli.report import report
from ablate.cli.search import search
from ablate.cli.status import status
from ablate.errors import AblateError, RequestError
from ablate.plugins import installed
from ablate.workflow.streams import forgiving

GROUP = "ablate.commands"

app = typer.Typer(
    name="ablate",
    help="Hyper-parameter search and ablation for PyTorch Lightning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ablate {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Every run is a trial, every difference is declared, every claim is computed."""


COMMANDS = (plan, search, audit, replay, confirm, status, report, compare, freeze, dashboard)

for _command in COMMANDS:
    app.command()(_command)


def main() -> None:
    """Run the command line; an error ablate can explain ends in one message and its exit code.

    The exit code is about the work, not about who reads what is said of it.
    """
    _open_closed_streams()
    sys.stdout, sys.stderr = forgiving(sys.stdout, only_pipes=True), forgiving(sys.stderr)
    try:
        _add_installed()
        app()
    except AblateError as error:
        for line in f"error: {error}".splitlines():
            typer.echo(line, err=True)
        sys.exit(error.exit_code)


def _open_closed_streams() -> None:
    """Point standard streams that were closed nowhere, so that no other file takes their place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _add_installed() -> None:
    """Add the commands of installed packages. Raises RequestError for a name that is taken."""
    taken = {command.__name__ for command in COMMANDS}
    for name, command in installed(GROUP, callable, "function").items():
        if name in taken:
            raise RequestError(
                f"an installed package adds a command {name!r} ({GROUP}), which ablate has "
                "already: let it choose another name, or uninstall it"
            )
        app.command(name)(command)
