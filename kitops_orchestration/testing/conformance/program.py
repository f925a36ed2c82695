"""Another program as it is at hand: run with a home of its own, with a time limit, and quoted when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.presentation.text import one_line

SECONDS = 120.0


class ProgramError(KitOpsError):
    """The program did not do what it was asked for; what it said is quoted."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command, and the variables that it is run with on top of the caller's."""

    command: str
    """A name that ``PATH`` knows, or a path."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def ask(self, *arguments: object) -> tuple[int, str]:
        """Run it; return the exit status and what it printed, both streams.

        Raises:
            ProgramError: it cannot be started, or does not end within two minutes.
        """
        try:
            done = subprocess.run(
                [self.command, *map(str, arguments)],
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                env={**settings.environment_of_interpreter(), **self.variables},
            )
        except OSError as error:
            raise ProgramError(
                f"{self.command} cannot be started: {error.strerror}", advice="give the path of the program"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ProgramError(
                f"{self.command} {arguments[0]} did not end within {SECONDS:.0f} s", advice="run it alone, and look"
            ) from error
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def run(self, *arguments: object) -> str:
        """Run it and return what it printed.

        Raises:
            ProgramError: it left with another status than 0.
        """
        status, said = self.ask(*arguments)
        if status != 0:
            raise ProgramError(f"{Path(self.command).name} {arguments[0]} left with {status}: {one_line(said)[-400:]}")
        return said

    def version(self) -> str:
        """Return the first line of what ``version`` prints that names one."""
        _, said = self.ask("version")
        lines = [line.strip() for line in said.splitlines() if any(letter.isdigit() for letter in line)]
        return lines[0][:100] if lines else "says no version"
