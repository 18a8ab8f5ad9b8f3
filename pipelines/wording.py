"""Words that follow their number."""


def count_of(number: int, one: str, many: str | None = None) -> str:
    """A number with what it counts: `1 row`, `1,200 rows`; `many` is the plural if not by an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
