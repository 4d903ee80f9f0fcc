"""The forms in which a secret may come back: its letters escaped, with signs between that nobody sees, in base64."""

import base64
import re
from functools import cached_property

SHORTEST = 8
"""Letters by which a part of a secret is known."""
_SIGNS = r"\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_UNSEEN = rf"(?:[\x00-\x1f{_SIGNS}]|\\{{1,8}}u(?i:200[b-f]|2060|feff))*"
_LONGEST_LETTER = 60
_UNUSUAL = rf"\x00-\x08\x0e-\x1f{_SIGNS}"  # without the breaks and tabs that any text has
MAY_BE_ESCAPED = re.compile(  # that it begins with a class of signs makes it three times as fast
    rf"[%&\\{_UNUSUAL}](?:(?<=[{_UNUSUAL}])|(?<=%)[0-9A-Fa-f]{{2}}|(?<=\\)u[0-9A-Fa-f]{{4}}|(?<=&)#[0-9xX])"
)
"""What a text has that holds a letter as `EscapedForm` looks for it: most have none, and it need not be made."""


class EscapedForm:
    """A secret in which each letter may stand escaped: %64, \\u0064, &#100; or &#x64;, also once more (%2564)."""

    def __init__(self, secret: str) -> None:
        """Prepare to look for it."""
        self._letters = [_letter(each) for each in secret]

    @cached_property
    def _beginning(self) -> re.Pattern[str]:
        return re.compile(_UNSEEN.join(self._letters[:SHORTEST]))

    @cached_property
    def _end(self) -> re.Pattern[str]:
        return re.compile(_UNSEEN.join(self._letters[-SHORTEST:]))

    @cached_property
    def _following(self) -> list[re.Pattern[str]]:
        return [re.compile(_UNSEEN + each) for each in self._letters[SHORTEST:]]

    @cached_property
    def _before(self) -> list[re.Pattern[str]]:
        return [re.compile(rf"{each}{_UNSEEN}\Z") for each in self._letters[-SHORTEST - 1 :: -1]]

    def replace(self, text: str, hidden: str) -> str:
        """Return the text with this secret hidden, and with what a cut has left of it."""
        shown, at = [], 0
        while found := self._beginning.search(text, at):
            shown += [text[at : found.start()], hidden]
            at = found.end()
            for letter in self._following:
                if not (more := letter.match(text, at)):
                    break
                at = more.end()
        text, shown, at = "".join([*shown, text[at:]]), [], 0
        while found := self._end.search(text, at):
            start = found.start()
            for letter in self._before:
                if not (more := letter.search(text, max(at, start - _LONGEST_LETTER), start)):
                    break
                start = more.start()
            shown += [text[at:start], hidden]
            at = found.end()
        return "".join([*shown, text[at:]])


def _letter(sign: str) -> str:
    encoded = "".join(f"%(?:25){{0,4}}(?i:{byte:02x})" for byte in sign.encode())
    code = ord(sign)
    return rf"(?:{encoded}|\\{{1,8}}u(?i:{code:04x})|&#0{{0,6}}{code};|&#[xX]0{{0,6}}(?i:{code:x});|{re.escape(sign)})"


def in_base64(secret: str) -> set[str]:
    """Return what is always the same in the base64 of a text that holds the secret, wherever in it that begins."""
    forms = set()
    for before in range(3):
        raw = bytes(before) + secret.encode()
        own = slice((before * 8 + 5) // 6, len(raw) * 8 // 6)
        forms |= {base64.b64encode(raw).decode()[own], base64.urlsafe_b64encode(raw).decode()[own]}
    return forms
