"""One change at a time to what the repository holds, each found by `audit`, and undone again."""

import copy
import random
from collections.abc import Callable
from typing import Any

from harness.tampers import Tamper
from sandbox.site import Site

Document = dict[str, Any]


def tamper_there(site: Site, chance: random.Random) -> Tamper:
    """Change one thing of one record in the repository, behind its back."""
    record_id = chance.choice(sorted(site.store.records))
    acts = [_metadata, _access, _state, _lose_record, _dark_record]
    acts += [_lose_key, _extra_key, _rename_key, _swap_keys, _flip_md5, _change_size]
    done = None
    while done is None:  # not every record has files
        done = chance.choice(acts)(site, record_id, chance)
        record_id = chance.choice(sorted(site.store.records))
    return done


def decay_there(site: Site, chance: random.Random) -> Tamper:
    """Flip a bit of the content of one file in the repository, which goes on telling of its size and MD5 as before."""
    held = {id_: [entry for entry in _entries(site, id_).values() if entry["size"]] for id_ in site.store.records}
    record_id = chance.choice(sorted(id_ for id_, entries in held.items() if entries))
    path = site.store.blob_path(chance.choice(held[record_id])["file_id"])
    before = path.read_bytes()
    data = bytearray(before)
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return Tamper(f"a bit of byte {at} of a file of {record_id}", record_id, lambda: _write(path, before))


def _write(path: Any, data: bytes) -> None:
    path.write_bytes(data)


def _side(site: Site, record_id: str) -> Document:
    record = site.store.records[record_id]
    side: Document = record["published"] or record["draft"]
    return side


def _entries(site: Site, record_id: str) -> dict[str, Document]:
    return site.store.entries(_side(site, record_id)["bucket"])


def _of_record(site: Site, record_id: str, what: str, change: Callable[[Document], object]) -> Tamper:
    before = copy.deepcopy(site.store.records[record_id])
    change(site.store.records[record_id])

    def undo() -> None:
        site.store.records[record_id] = before

    return Tamper(f"{what} of {record_id}", record_id, undo)


def _metadata(site: Site, record_id: str, chance: random.Random) -> Tamper:
    name = chance.choice(["title", "description", "publisher", "publication_date"])
    side = _side(site, record_id)

    def change(record: Document) -> None:
        shown = record["published"] or record["draft"]
        shown["metadata"] = {**side["metadata"], name: "2001" if name == "publication_date" else "Somebody's own"}

    return _of_record(site, record_id, name, change)


def _access(site: Site, record_id: str, _chance: random.Random) -> Tamper:
    def change(record: Document) -> None:
        shown = record["published"] or record["draft"]
        shown["access"] = {**shown["access"], "files": "restricted"}

    return _of_record(site, record_id, "access to files", change)


def _state(site: Site, record_id: str, _chance: random.Random) -> Tamper:
    def change(record: Document) -> None:
        record["draft"], record["published"] = record["published"], record["draft"]
        if record["published"]:
            record["published"] = {**record["published"], "pids": {"doi": {"identifier": "10.5072/x"}}}

    return _of_record(site, record_id, "published state", change)


def _lose_record(site: Site, record_id: str, _chance: random.Random) -> Tamper:
    record = site.store.records.pop(record_id)

    def undo() -> None:
        site.store.records[record_id] = record

    return Tamper(f"record {record_id} is gone", record_id, undo)


def _dark_record(site: Site, record_id: str, _chance: random.Random) -> Tamper:
    other = f"dark-{record_id}"
    site.store.records[other] = {**copy.deepcopy(site.store.records[record_id]), "id": other}
    site.index.changed(other)
    site.index.refresh(all_of_it=True)

    def undo() -> None:
        del site.store.records[other]
        site.index.forget(other)
        site.index.refresh(all_of_it=True)

    return Tamper(f"{other} carries the identifier of {record_id}", other, undo)


def _of_entries(
    site: Site, record_id: str, what: str, change: Callable[[dict[str, Document]], object]
) -> Tamper | None:
    entries = _entries(site, record_id)
    if not entries:
        return None
    before = copy.deepcopy(entries)
    change(entries)
    if entries == before:
        return None

    def undo() -> None:
        entries.clear()
        entries.update(before)

    return Tamper(f"{what} of {record_id}", record_id, undo)


def _lose_key(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    return _of_entries(site, record_id, "a missing key", lambda entries: entries.pop(chance.choice(sorted(entries))))


def _extra_key(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    def change(entries: dict[str, Document]) -> None:
        entries["extra.bin"] = {**entries[chance.choice(sorted(entries))], "key": "extra.bin", "uuid": "extra"}

    return _of_entries(site, record_id, "an extra key", change)


def _rename_key(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    def change(entries: dict[str, Document]) -> None:
        entry = entries.pop(chance.choice(sorted(entries)))
        entries[f"{entry['key']}2"] = {**entry, "key": f"{entry['key']}2"}

    return _of_entries(site, record_id, "a renamed key", change)


def _swap_keys(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    entries = _entries(site, record_id)
    if len(entries) < 2:
        return None
    one, other = chance.sample(sorted(entries), 2)
    names = ("checksum", "size", "file_id")
    if all(entries[one][name] == entries[other][name] for name in names[:2]):
        return None

    def change(entries: dict[str, Document]) -> None:
        ours, theirs = entries[one], entries[other]
        entries[one] = {**ours, **{name: theirs[name] for name in names}}
        entries[other] = {**theirs, **{name: ours[name] for name in names}}

    return _of_entries(site, record_id, "swapped contents", change)


def _flip_md5(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    def change(entries: dict[str, Document]) -> None:
        key = chance.choice(sorted(entries))
        digits = list(entries[key]["checksum"])
        digits[-1] = "0" if digits[-1] != "0" else "1"
        entries[key] = {**entries[key], "checksum": "".join(digits)}

    return _of_entries(site, record_id, "an MD5", change)


def _change_size(site: Site, record_id: str, chance: random.Random) -> Tamper | None:
    def change(entries: dict[str, Document]) -> None:
        key = chance.choice(sorted(entries))
        entries[key] = {**entries[key], "size": entries[key]["size"] + 1}

    return _of_entries(site, record_id, "a size", change)
