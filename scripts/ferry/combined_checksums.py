"""The Adler-32 of a whole from those of its parts, without the bytes (RFC 1950, section 8.2)."""

ADLER_BASE = 65521
"""The largest prime below 2^16."""


def combine_adler32(first: int, second: int, second_bytes: int) -> int:
    """Return the Adler-32 of A + B from those of A and of B; `second_bytes` is the length of B."""
    a1, b1 = first & 0xFFFF, first >> 16
    a2, b2 = second & 0xFFFF, second >> 16
    a = (a1 + a2 - 1) % ADLER_BASE
    b = (b1 + b2 + second_bytes * (a1 - 1)) % ADLER_BASE
    return b << 16 | a
