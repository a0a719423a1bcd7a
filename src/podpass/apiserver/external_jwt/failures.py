"""What goes wrong with an external signer: `SignerUnusable` <- `CallFailed`, `BadAnswer`.

The texts are shown to clients that ask for a token, and in the log: no key, no token, no claim is
in them.
"""

from __future__ import annotations


class SignerUnusable(Exception):
    """The external signer cannot be used; the text says why, and what was being done."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self._doing: list[str] = []

    def __str__(self) -> str:
        return ": ".join((*reversed(self._doing), str(self.args[0])))

    def add_context(self, doing: str) -> None:
        """Put what was being done before the text: `while signing jwt`."""
        self._doing.append(doing)


class CallFailed(SignerUnusable):
    """The signer did not answer, or answered with an error.

    Attributes:
        code: Name of the gRPC status, as Go programs write it: `Unavailable`.
    """

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {details}")
        self.code = code


class BadAnswer(SignerUnusable):
    """The signer answered, but with something that must not be used."""
