"""What goes wrong between a run and its repository, at random: lost answers, refusals, damage, late effects."""

import random

from servers.faults import Fault, late, refusal, with_errors

WHERE = {
    "search": {"method": "GET", "path": r"/user/records\?"},
    "create": {"method": "POST", "path": r"/api/records(\?|$)"},
    "draft": {"method": "GET", "path": r"/draft(\?|$)"},
    "update": {"method": "PUT", "path": r"/draft(\?|$)"},
    "announce": {"method": "POST", "path": r"/draft/files(\?|$)"},
    "list": {"method": "GET", "path": r"/draft/files(\?|$)"},
    "content": {"method": "PUT", "path": r"/content(\?|$)"},
    "commit": {"method": "POST", "path": r"/commit(\?|$)"},
    "publish": {"method": "POST", "path": r"/actions/publish(\?|$)"},
    "anything": {},
}
WRITES = ("create", "update", "announce", "content", "commit", "publish")


def random_fault(chance: random.Random, *, longest_late_s: float) -> Fault:
    """Return a fault at a random place, once to a few times; half of them come late, at most by so much (0: none)."""
    if longest_late_s and chance.random() < 0.5:
        where = chance.choice(WRITES)
        seconds = round(chance.uniform(0.3, longest_late_s), 1)
        return Fault(f"{where}: late by {seconds} s", **WHERE[where], **late(seconds), **_when(chance))
    where = chance.choice(list(WHERE))
    ways = {
        "reset": {"reset": True},
        "answer lost": {"drop_answer": True},
        "answer cut": {"cut_answer_at": chance.randrange(200)},
        "503": refusal(503, "failed"),
        "502": refusal(502, "failed"),
        "500": refusal(500, "failed"),
        "429": {**refusal(429, "500 per 1 minute"), "headers": {"Retry-After": "1"}},
    }
    if where == "content":
        size = chance.randrange(400)
        ways |= {"upload cut": {"cut_upload_at": size}, "byte changed": {"flip_upload_at": size}}
        ways |= {"200 with errors": {"change": with_errors}}
    if where == "create":
        del ways["500"]  # after two of them the ferry asks for the operators, and rightly so
    name = chance.choice(sorted(ways))
    return Fault(f"{where}: {name}", **WHERE[where], **ways[name], **_when(chance))


def _when(chance: random.Random) -> dict[str, int]:
    return {"nth": chance.randint(1, 40), "times": chance.randint(1, 3)}
