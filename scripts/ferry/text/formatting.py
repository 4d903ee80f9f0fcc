"""Numbers as people read them."""

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def format_bytes(count: float) -> str:
    """Return a number of bytes in decimal units, three digits of it: 950 B, 1.25 MB, 34 TB."""
    unit = 0
    while abs(count) >= 999.5 and unit < len(_BYTE_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.3g} {_BYTE_UNITS[unit]}"


def format_part_of(part: float, whole: float) -> str:
    """Return how much of a number of bytes: 2 GB of 3 GB, and all but 5 kB of 3 GB where both would read the same."""
    text = format_bytes(part)
    if part < whole and text == format_bytes(whole):
        text = f"all but {format_bytes(whole - part)}"
    return f"{text} of {format_bytes(whole)}"


def format_count(count: float) -> str:
    """Return a count with its thousands apart: 12,711."""
    return f"{count:,.0f}"


def format_seconds(seconds: float) -> str:
    """Return a duration by its two largest units: 40 ms, 0.4 s, 12 s, 3 min 20 s, 5 h 2 min, 3 d 4 h."""
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, below_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {below_unit}" if rest else "")
    return f"{whole} s"


def plural(count: int, word: str) -> str:
    """Return a count and its word: 1 record, 3 records."""
    return f"{format_count(count)} {word}" + ("" if count == 1 else "s")


def truncate(text: str, length: int) -> str:
    """Return the text in one line of at most `length` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
