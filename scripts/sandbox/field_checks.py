"""Kinds of values in metadata: each check keeps what is right of a value, and names what is wrong with it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.answers import Refusal, field_error
from sandbox.flavours import Flavour, find_flavour

MISSING = "Missing data for required field."
UNKNOWN = "Unknown field."
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")


@dataclass
class Checked:
    """Metadata after the check: what is kept, and what was wrong with the rest."""

    flavour: Flavour = field(default_factory=lambda: find_flavour("rdm"))
    metadata: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def error(self, place: str, message: str) -> None:
        """Note that the field at this place is wrong."""
        self.errors.append(field_error(place, message))


Check = Callable[[Checked, str, Any], Any]
"""Takes what was checked so far, the place of a value and the value; returns what is kept of it, if anything."""


def text(least: int = 0) -> Callable[[Checked, str, Any], str | None]:
    """Text of at least so many characters, without white space around it."""

    def check(checked: Checked, place: str, value: Any) -> str | None:
        if not isinstance(value, str):
            checked.error(place, "Not a valid string.")
            return None
        if len(value.strip()) < least:
            checked.error(place, f"Shorter than minimum length {least}.")
            return None
        return value.strip()

    return check


def html(checked: Checked, place: str, value: Any) -> str | None:
    """HTML without what is unsafe."""
    kept = text(3)(checked, place, value)
    return None if kept is None else re.sub(r"</?(script|style|iframe|object)\b[^>]*>", "", kept, flags=re.IGNORECASE)


def html_of_any_length(checked: Checked, place: str, value: Any) -> str | None:
    """Text as it is, empty too."""
    return text()(checked, place, value)


def whole_number(checked: Checked, place: str, value: Any) -> int | None:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        checked.error(place, "Not a valid integer.")
        return None
    return value


def choice(*choices: str) -> Callable[[Checked, str, Any], str | None]:
    """One of these."""

    def check(checked: Checked, place: str, value: Any) -> str | None:
        if value not in choices:
            checked.error(place, f"Must be one of: {', '.join(choices)}.")
            return None
        return str(value)

    return check


def one_date(checked: Checked, place: str, value: Any) -> str | None:
    """A date, and no interval of two."""
    if isinstance(value, str) and "/" in value:
        checked.error(place, "Please provide a valid date or interval.")
        return None
    return date(checked, place, value)


def date(checked: Checked, place: str, value: Any) -> str | None:
    """A date, or an interval of two."""
    if not isinstance(value, str):
        checked.error(place, "Not a valid string.")
        return None
    parts = value.split("/")
    if len(parts) > 2 or not all(_DATE.fullmatch(part) for part in parts) or parts != sorted(parts):
        checked.error(place, "Please provide a valid date or interval.")
        return None
    return value


def term(vocabulary: str) -> Callable[[Checked, str, Any], dict[str, Any] | None]:
    """A term of a vocabulary, by its id."""

    def check(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in set(value) - {"id", "title"}:
            checked.error(f"{place}.{name}", UNKNOWN)
        if not isinstance(value.get("id"), str):
            checked.error(f"{place}.id", MISSING)
            return None
        if value["id"] not in checked.flavour.vocabularies[vocabulary]:
            raise Refusal(400, f"Invalid value {value['id']}.")
        return {"id": value["id"]}

    return check


def term_or_text(vocabulary: str, text_name: str, more: tuple[str, ...] = ()) -> Callable[[Checked, str, Any], Any]:
    """A term of a vocabulary by its id, or one in one's own words."""

    def check(checked: Checked, place: str, value: Any) -> Any:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in set(value) - {"id", "title", "description", "props", text_name, *more}:
            checked.error(f"{place}.{name}", UNKNOWN)
        if "id" in value:
            return term(vocabulary)(checked, place, {"id": value["id"]})
        if not value.get(text_name):
            checked.error(f"{place}.{text_name}", MISSING)
        return {name: value[name] for name in (text_name, *more) if name in value}

    return check


def list_of(item: Callable[[Checked, str, Any], Any]) -> Callable[[Checked, str, Any], list[Any] | None]:
    """A list of such items."""

    def check(checked: Checked, place: str, value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            checked.error(place, "Not a valid list.")
            return None
        kept = [item(checked, f"{place}.{number}", entry) for number, entry in enumerate(value)]
        return [entry for entry in kept if entry is not None]

    return check


def object_of(required: tuple[str, ...], **members: Callable[[Checked, str, Any], Any]) -> Callable[..., Any]:
    """An object with these members alone, some of which are required."""

    def check(checked: Checked, place: str, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            checked.error(f"{place}._schema", "Invalid input type.")
            return None
        for name in required:
            if value.get(name) is None:
                checked.error(f"{place}.{name}", MISSING)
        kept = {}
        for name, entry in value.items():
            if name not in members:
                checked.error(f"{place}.{name}", UNKNOWN)
            elif entry is not None and (right := members[name](checked, f"{place}.{name}", entry)) is not None:
                kept[name] = right
        return kept

    return check


def anything(checked: Checked, place: str, value: Any) -> Any:
    """Whatever it is."""
    del checked, place
    return value
