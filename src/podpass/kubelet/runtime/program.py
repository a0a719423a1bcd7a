"""The last steps before a program of a container runs: directory, search path, exec.

Runs after the root was changed, when nothing can be imported any more. The texts are those that
users know from runc and containerd.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: PTH112, PTH113, PTH116
from __future__ import annotations

import errno
import os

NOT_FOUND = 127
NOT_EXECUTABLE = 126


class CannotExecute(Exception):
    """The program cannot be run; carries the text and the exit code a shell would give."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def find_program(name: str, search_path: str) -> str:
    """Return the file that `name` stands for, as execvp would find it.

    Raises:
        CannotExecute: No file, or none that may be executed.
    """
    if "/" in name:
        _check_executable(name, name)
        return name
    denied = False
    for directory in search_path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
        denied = denied or os.path.isfile(candidate)
    if denied:
        raise CannotExecute(f'exec: "{name}": permission denied', NOT_EXECUTABLE)
    raise CannotExecute(f'exec: "{name}": executable file not found in $PATH', NOT_FOUND)


def run_program(arguments: list[str], environment: dict[str, str], directory: str) -> None:
    """Become the program; returns never.

    Args:
        arguments: Program and arguments.
        environment: The whole environment.
        directory: Working directory inside.

    Raises:
        CannotExecute: The directory or the program is not usable.
    """
    try:
        os.chdir(directory)
    except OSError as error:
        text = f'chdir to working directory "{directory}": {os.strerror(error.errno or 0).lower()}'
        raise CannotExecute(text, NOT_EXECUTABLE) from error
    name = arguments[0]
    program = find_program(name, environment.get("PATH", ""))
    try:
        os.execve(program, arguments, environment)  # noqa: S606 - that is what it is for
    except OSError as error:
        text = f'exec: "{name}": {os.strerror(error.errno or 0).lower()}'
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        raise CannotExecute(text, code) from error


def _check_executable(name: str, path: str) -> None:
    try:
        os.stat(path)
    except OSError as error:
        text = f'exec: "{name}": stat {path}: {os.strerror(error.errno or 0).lower()}'
        raise CannotExecute(text, NOT_FOUND) from error
    if not os.access(path, os.X_OK):
        raise CannotExecute(f'exec: "{name}": permission denied', NOT_EXECUTABLE)
    if os.path.isdir(path):
        raise CannotExecute(f'exec: "{name}": is a directory', NOT_EXECUTABLE)
