"""What leaves the process is printable and has no secret in it, in any of the forms in which one may come back."""

import base64
import json
import logging
from datetime import datetime
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from ferry.csv_tables import csv_cell
from ferry.errors import FerryError, PermanentError
from ferry.repository.errors import error_for_response
from ferry.source.xrootd import _check
from ferry.text import safe_text
from ferry.text.safe_text import (
    HIDDEN,
    LONGEST_LINE,
    LONGEST_TEXT,
    SafeFormatter,
    hide,
    redact,
    redact_bytes,
    uncaught_text,
)

SECRET = 'a/b+c=d"e\\f~0123'


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(safe_text, "_secrets", {})
    hide(SECRET)


@pytest.mark.parametrize(
    "form", [SECRET, quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower(), json.dumps(SECRET)[1:-1]]
)
def test_a_secret_is_hidden_in_each_form(form):
    assert redact(f"<{form}>") == f"<{HIDDEN}>"
    assert redact_bytes(f"ü{form}".encode() + b"\xff") == f"ü{HIDDEN}".encode() + b"\xff"
    assert str(FerryError(f"refused: {form}")) == f"refused: {HIDDEN}"


ESCAPED = {
    "percent": "".join(f"%{ord(sign):02X}" for sign in SECRET),
    "percent, small": "".join(f"%{ord(sign):02x}" for sign in SECRET),
    "percent, twice": "".join(f"%25{ord(sign):02x}" for sign in SECRET),
    "json": "".join(f"\\u{ord(sign):04x}" for sign in SECRET),
    "json, twice": "".join(f"\\\\u{ord(sign):04X}" for sign in SECRET),
    "html": "".join(f"&#{ord(sign)};" for sign in SECRET),
    "html, sixteens": "".join(f"&#x{ord(sign):x};" for sign in SECRET),
    "unseen": "\u200b".join(SECRET),
    "unseen, once": SECRET[:5] + "\u2060\ufeff" + SECRET[5:],
}


@pytest.mark.parametrize("form", ESCAPED.values(), ids=ESCAPED)
@pytest.mark.parametrize("part", ["whole", "beginning", "end"])
def test_a_secret_is_hidden_letter_by_letter_too(form, part):
    length = len(form) * 3 // 4 // 6 * 6
    cut = {"whole": form, "beginning": form[:length], "end": form[-length:]}[part]
    for shown in (redact(f"<{cut}>"), redact_bytes(f"<{cut}>".encode()).decode(), str(FerryError(f"<{cut}>"))):
        assert HIDDEN in shown
        assert len(shown) < len(HIDDEN) + 12


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "x", "xy", "Bearer ", "user:"])
def test_a_secret_is_hidden_in_base64_wherever_it_begins(encode, before):
    shown = redact(f"<{encode(f'{before}{SECRET}'.encode()).decode()}>")
    assert HIDDEN in shown
    assert len(shown) < len(HIDDEN) + 20


@pytest.mark.parametrize("length", range(8, len(SECRET)))
def test_what_a_cut_has_left_of_a_secret_is_hidden_too(length):
    beginning, end = SECRET[:length], SECRET[-length:]
    assert redact(f"no: {beginning} …, {beginning}/") == f"no: {HIDDEN} …, {HIDDEN}/"
    assert redact(f"… {end}: no") == f"… {HIDDEN}: no"
    assert redact_bytes(f"<{end}>".encode()) == f"<{HIDDEN}>".encode()


def test_a_text_without_an_escaped_letter_is_not_looked_through_letter_by_letter(monkeypatch):
    monkeypatch.setattr(safe_text.EscapedForm, "replace", lambda *_: pytest.fail("that takes longer than all the rest"))
    text = json.dumps({"description": 'R&D at 90 %: <a href="x?a=1&amp;b=2">\n\t$\\mu^+\\upsilon$</a>'})
    assert redact(text) == text


def test_what_is_too_short_to_be_a_token_hides_nothing():
    hide("x")
    assert redact("text") == "text"


def test_an_error_holds_no_sign_that_a_terminal_obeys_and_no_endless_line():
    text = str(FerryError("a\x1b[2Jb\u202ec\u2028d\r\x00\udc80\nä 語 " + "x" * 9000))
    first, second = text.split("\n")
    assert first == "a\\x1b[2Jb\\u202ec\\u2028d\\r\\x00\\udc80"
    assert second.startswith("  ä 語 x")
    assert len(second) == LONGEST_LINE


FAKED = "gone\nferry: 1 ok, 0 failed, 0 to go, of 1 records\n\n\nferry: again"


def test_no_line_from_outside_begins_where_our_own_do():
    record = logging.LogRecord("a", logging.ERROR, "a.py", 1, "%s", (FAKED,), None)
    error = ValueError(FAKED)
    told = [
        str(FerryError(f"draft {FAKED}")),
        SafeFormatter("%(message)s").format(record),
        uncaught_text(type(error), error, None),
        error_for_response("read", 400, FAKED).args[0],
    ]
    for text in told:
        assert "ferry: 1 ok" in text
        assert not any(line.startswith("ferry") for line in text.splitlines())


def test_a_text_is_bounded_as_a_whole_and_keeps_what_is_to_be_done_at_its_end():
    endless = "no: " + "x\n" * 200_000 + "set repository.url"
    record = logging.LogRecord("a", logging.ERROR, "a.py", 1, "%s", (endless,), None)
    error = ValueError(endless)
    told = (
        str(FerryError(endless)),
        SafeFormatter("%(message)s").format(record),
        uncaught_text(type(error), error, None).rstrip(),
    )
    for text in told:
        assert len(text) < 2 * LONGEST_TEXT + 100
        assert "no: x\n  x" in text
        assert text.endswith("x\n  set repository.url")


def test_what_an_xrootd_server_says_is_one_short_line():
    message = "\n".join([FAKED, *["x" * 100] * 500])
    with pytest.raises(PermanentError, match="expected to be opened") as told:
        _check(SimpleNamespace(ok=False, message=message, code=400, errno=3011), "root://h//f", "opened")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 2200


def test_a_traceback_in_a_log_is_safe_too():
    try:
        raise ValueError(f"\x1b[2J{SECRET}")
    except ValueError as error:
        record = logging.LogRecord("a", logging.ERROR, "a.py", 1, "%s", (SECRET,), (ValueError, error, None))
    assert SafeFormatter("%(message)s").format(record) == f"{HIDDEN}\n  ValueError: \\x1b[2J{HIDDEN}"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("a;=1+1", "a;'=1+1"),
        ("a; \u00a0@x", "a; \\xa0@x"),
        ("a\n-x", "a\n'-x"),
        ("\uff1d1", "'\uff1d1"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("2010-12; 5", "2010-12; 5"),
    ],
)
def test_a_cell_is_neither_a_formula_nor_a_command(text, cell):
    assert csv_cell(text) == cell


def test_a_time_is_the_same_in_a_table_of_a_run_that_goes_on_and_in_that_of_its_end():
    """Rows of a run that goes on have it as the text that JSON has, those of its end as a datetime."""
    text = "2026-11-30T20:35:01.120+00:00"
    assert csv_cell(datetime.fromisoformat(text)) == csv_cell(text) == text
