"""The one kind of failure a person is meant to read."""


class C360Error(Exception):
    """Says what happened and where (`message`), and what to do next (`hint`)."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"
