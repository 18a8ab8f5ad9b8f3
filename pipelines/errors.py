"""The failures a person is meant to read."""


class C360Error(Exception):
    """Says what happened and where (`message`), and what to do next (`hint`)."""

    heals = True  # whether trying again later, with nothing changed, may help

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class SourceDownError(C360Error):
    """A source does not answer, or answers nonsense, after all tries."""


class QuotaSpentError(SourceDownError):
    """A source has had its fill of calls for hours; more tries would only cost more of them."""

    heals = False


class AccessRefusedError(C360Error):
    """A source refuses the login or a permission; a person has to mend that."""

    heals = False
