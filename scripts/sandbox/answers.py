"""Refusals, worded as InvenioRDM words them."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - not an error of the sandbox: an answer
    """A request that is answered with an error status.

    Attributes:
        status: HTTP status.
        message: goes into the body.
        errors: `[{"field": …, "messages": […]}]`, or None.
    """

    def __init__(self, status: int, message: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        body: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.errors:
            body["errors"] = self.errors
        return body


def field_error(field: str, message: str) -> dict[str, Any]:
    """Return one entry of an `errors` list."""
    return {"field": field, "messages": [message]}


def invalid(*errors: dict[str, Any]) -> Refusal:
    """400 with the fields that are wrong."""
    return Refusal(400, "A validation error occurred.", list(errors))


def denied() -> Refusal:
    """No token, a wrong one, or somebody else's record."""
    return Refusal(403, "Permission denied.")


def no_such_record() -> Refusal:
    """The identifier was never given out, or its draft is gone."""
    return Refusal(404, "The persistent identifier does not exist.")


def no_such_draft() -> Refusal:
    """The record is there, a draft of it is not."""
    return Refusal(404, "Not found.")


def no_such_file(record_id: str, key: str) -> Refusal:
    """The record has no entry of this key."""
    return Refusal(404, f"Record '{record_id}' has no file '{key}'.")


def no_such_page() -> Refusal:
    """No route has this path."""
    return Refusal(404, "The requested URL was not found on the server.")


def wrong_method() -> Refusal:
    """The path is known, with another method."""
    return Refusal(405, "The method is not allowed for the requested URL.")


def wrong_content_type(expected: str) -> Refusal:
    """The body is of another kind than the route takes."""
    return Refusal(415, f"Invalid 'Content-Type' header. Expected one of: {expected}")


def server_error() -> Refusal:
    """What InvenioRDM answers where it has no answer."""
    return Refusal(500, "The server encountered an internal error and was unable to complete your request.")
