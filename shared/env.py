"""Reading settings from environment variables, with every problem reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

# Words that stand in example files and tutorials: a secret that holds one was never chosen.
PLACEHOLDERS = ("change", "secret", "example", "password", "default", "your-", "your_", "insecure")

Choice = TypeVar("Choice", bound=str)


class UnsafeSettings(Exception):
    """The environment cannot be started with; `problems` holds one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def report(self) -> str:
        """What a command prints before it ends with code 2."""
        return "\n  - ".join(["These settings stop the start:", *self.problems])


class Environment:
    """Reads variables one by one and remembers what is wrong with them.

    A variable that is unset or empty takes its default; without a default it is a problem. Reading
    goes on after a problem with a harmless value, so that `finish` can report all of them.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []
        self.read: set[str] = set()
        self.name = self.choice("ENVIRONMENT", ("production", "development"), "production")

    @property
    def development(self) -> bool:
        return self.name == "development"

    def given(self, name: str) -> str | None:
        """The variable's value, or None when it is unset or empty."""
        self.read.add(name)
        return self._variables.get(name, "").strip() or None

    def problem(self, sentence: str) -> None:
        self.problems.append(sentence)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.given(name)
        if value is None:
            if default is None:
                self.problem(f"{name} is not set.")
            return default or ""
        return value

    def secret(self, name: str, default: str | None = None) -> str:
        """The value of `name`, or the content of the file that `NAME_FILE` names."""
        path = self.given(f"{name}_FILE")
        if path is None:
            return self.text(name, default)
        if self.given(name) is not None:
            self.problem(f"{name} and {name}_FILE are both set: keep one.")
        try:
            value = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problem(f"{name}_FILE cannot be read: {error}.")
            return ""
        if not value:
            self.problem(f"{name}_FILE is an empty file.")
        return value

    def file(self, name: str) -> str:
        """The path of a file, empty when unset; one that cannot be read is a problem."""
        path = self.text(name, "")
        try:
            if path:
                Path(path).read_bytes()
        except OSError as error:
            self.problem(f"{name} cannot be read: {error}.")
        return path

    def key(self, name: str, default: str | None = None) -> str:
        """A secret that keys an HMAC or a cipher: at least 32 bytes, and nobody's example."""
        value = self.secret(name, default)
        if value:
            self.judge_key(name, value)
        return value

    def judge_key(self, name: str, value: str) -> None:
        """Report `value` as a problem when it could be guessed; development may use any."""
        if self.development:
            return
        if len(value.encode()) < 32:
            self.problem(
                f"{name} is shorter than 32 bytes. `openssl rand -hex 32` makes a good one."
            )
        elif len(set(value)) < 10 or any(word in value.lower() for word in PLACEHOLDERS):
            self.problem(f"{name} looks like a default. `openssl rand -hex 32` makes a good one.")

    def choice(self, name: str, options: tuple[Choice, ...], default: Choice) -> Choice:
        value = self.text(name, default)
        for option in options:
            if option == value:
                return option
        self.problem(f"{name} is {value!r}; it must be one of {', '.join(options)}.")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, ("true", "false"), "true" if default else "false") == "true"

    def integer(self, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
        value = self.given(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            self.problem(f"{name} is {value!r}; it must be a whole number.")
            return default
        if not least <= number <= most:
            self.problem(f"{name} is {number}; it must lie between {least} and {most}.")
            return default
        return number

    def items(self, name: str, default: str = "") -> tuple[str, ...]:
        """A comma-separated list without empty items."""
        value = self.text(name, default)
        return tuple(item.strip() for item in value.split(",") if item.strip())

    def parts_of(self, name: str, url: str) -> SplitResult:
        """A URL taken apart; one that cannot be is a problem, and has no parts."""
        try:
            parts = urlsplit(url)
            _ = parts.port  # raises where it is no number
        except ValueError:
            self.problem(f"{name} holds a URL that cannot be read.")
            return urlsplit("")
        return parts

    def finish(self) -> None:
        """Raise `UnsafeSettings` with every problem met so far, if there was one."""
        if self.problems:
            raise UnsafeSettings(self.problems)
