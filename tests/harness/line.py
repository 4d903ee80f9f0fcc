"""What goes wrong between a run and its repository, at random: lost answers, refusals, damage, late effects."""

import random

from servers.faults import Fault, late, refusal, with_errors

WHERE = {
    "search": {"method": "GET", "path": r"/user/records\?"},
    "create": {"method": "POST", "path": "/api/records$"},
    "draft": {"method": "GET", "path": "/draft$"},
    "update": {"method": "PUT", "path": "/draft$"},
    "announce": {"method": "POST", "path": "/draft/files$"},
    "list": {"method": "GET", "path": "/draft/files$"},
    "content": {"method": "PUT", "path": "/content$"},
    "commit": {"method": "POST", "path": "/commit$"},
    "publish": {"method": "POST", "path": "/actions/publish$"},
    "anything": {},
}
WRITES = ("create", "update", "announce", "content", "commit", "publish")
LATE_S = (0.5, 1.0, 2.0, 2.0, 6.0, 6.0, 15.0)


def random_fault(chance: random.Random, *, lates: bool) -> Fault:
    """Return a fault at a random place, once to a few times; `lates`: one that may come late."""
    if lates and chance.random() < 0.5:
        where = chance.choice(WRITES)
        seconds = chance.choice(LATE_S)
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
    return {"nth": chance.randint(1, 60), "times": chance.randint(1, 3)}
