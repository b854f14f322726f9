"""What a call with `synchronous=False` returns."""

from __future__ import annotations


class Pending:
    """Work that may still go on; here it is always done, since calls do their work themselves."""

    def wait(self) -> None:
        """Return when the work is done."""


DONE = Pending()
