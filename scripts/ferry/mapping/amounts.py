"""Rules for what can be counted: files, bytes, events, formats."""

from ferry.checksums import HEX_DIGITS, normalise_checksum
from ferry.mapping.leaves import Found, find, shown
from ferry.mapping.sections import SECTIONS
from ferry.mapping.work import Work
from ferry.source.file_lists import is_index

MAX_INTEGER = 2**31 - 1  # the models' "int" is a 32-bit integer in the index

NOT_CHOSEN = "a file that source.files does not choose"
INDEX = "an index: the files that it lists are deposited under their own keys"


def listed_files(work: Work, found: Found) -> None:
    """The files: each goes up under its key, checked against size and checksum on the way; an index is not one."""
    deposited = {file.get("uri") for file in work.files}
    unusable: list[Found] = []
    for item in find(work.record, "files[]"):
        if is_index(item.value) and str(item.value.get("uri")) not in deposited:
            work.left_out_whole(item, INDEX)
            continue
        if work.left_out_files and isinstance(item.value, dict) and str(item.value.get("uri")) not in deposited:
            work.left_out_whole(item, NOT_CHOSEN)
            continue
        checksum = work.child(item, "checksum")
        if checksum and isinstance(checksum.value, str) and checksum.value and not normalise_checksum(checksum.value):
            unusable.append(checksum)
    _unusable_checksums(work, unusable)
    for name, to in (
        ("uri", "files[].key"),
        ("key", "files[].key"),
        ("filename", "files[].key"),
        ("size", "files[].size"),
        ("checksum", "files[].metadata.checksum"),
    ):
        path = f"files[].{name}"
        count = work.ledger.remaining(path)
        if count:
            work.took(path, to, count=count)


def _unusable_checksums(work: Work, unusable: list[Found]) -> None:
    # One warning for all: whoever writes them writes them alike, and there may be thousands.
    if not unusable:
        return
    expected = f"expected a checksum (algorithm:hex, of {', '.join(HEX_DIGITS)})"
    for found in unusable:
        work.ledger.drop(found.path, expected)
    first = unusable[0]
    work.warn(first.place, f"left out: {expected}, found {shown(first.value)!r}", places=len(unusable))


def file_count(work: Work, found: Found) -> None:
    """The number of files declared: compared with the files that are listed."""
    count = work.whole_number(found)
    if count is not None:
        _compare(work, found, count, len(work.files))


def byte_count(work: Work, found: Found) -> None:
    """The size declared: compared with the sum of the files that are listed."""
    size = work.whole_number(found)
    if size is not None:
        _compare(work, found, size, listed_bytes(work))


def _compare(work: Work, found: Found, declared: int, listed: int | None) -> None:
    if declared and not work.files:
        work.left_out(found, f"declared as {declared}, and no files are listed to compare with")
    elif work.left_out_files:
        work.left_out(found, f"declared as {declared} of the whole record, of which a part is deposited", warn=False)
    elif listed is not None and declared != listed:
        work.left_out(found, f"declared as {declared}, the files listed make {listed}: the list is trusted")
    elif work.profile.sizes_and_formats:
        work.took(found.path, "metadata.sizes[]")
    else:
        work.left_out(found, "this target has no sizes; the repository counts the files itself", warn=False)


def listed_bytes(work: Work) -> int | None:
    """Return the sum of the sizes of the listed files in bytes, None where a size is not known."""
    sizes = [file["size_bytes"] for file in work.files]
    return None if None in sizes else sum(sizes)


def event_count(work: Work, found: Found) -> None:
    """The number of events: a field of the particles model that holds 32 bits, else one of the sizes."""
    _count(work, found, "event", "number_of_events")


def entry_count(work: Work, found: Found) -> None:
    """The number of entries: one of the sizes."""
    _count(work, found, "entry", None)


def _count(work: Work, found: Found, unit: str, field: str | None) -> None:
    count = work.whole_number(found)
    if count is None:
        return
    if count == 0:
        within = f" in {counted(len(work.files), 'file')}" if work.files else ""
        work.left_out(found, f"{counted(0, unit)}{within}: the number is not known")
        return
    if work.profile.particles and field and count <= MAX_INTEGER:
        work.metadata[field] = count
        work.took(found.path, f"metadata.{field}")
        return
    told = counted(count, unit)
    to = "metadata.sizes[]"
    if work.profile.sizes_and_formats:
        work.metadata.setdefault("sizes", []).append(told)
    else:
        work.note("amounts").facts.append(told)
        to = SECTIONS["amounts"].target
    work.took(found.path, to)
    if work.profile.particles and field:
        work.warn(found.place, f"{told} are more than {field} can hold ({MAX_INTEGER}): kept in {to}")


def counted(count: int, unit: str) -> str:
    """Return a count with its unit: 1 event, 12711 events, 3 entries."""
    several = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{count} {unit if count == 1 else several}"


def formats(work: Work, found: Found) -> None:
    """The formats (data tiers such as SHORT among them), lower case, each once."""
    for item in find(work.record, "distribution.formats[]"):
        name = work.line(item)
        if name is None:
            continue
        work.formats.setdefault(name.lower())
        to = ["metadata.file_types[]"] if work.profile.particles else []
        to += ["metadata.formats[]"] if work.profile.sizes_and_formats else []
        work.took(item.path, *to)


def part_of_files(work: Work) -> None:
    """Say in the description that the deposit holds a part of the record's files, where it does."""
    if not work.left_out_files:
        return
    held, whole = len(work.files), len(work.files) + work.left_out_files["files"]
    text = f"This copy holds {held} of the {counted(whole, 'file')} of the original record."
    abstract = work.note("abstract")
    abstract.text = f"{abstract.text}\n<p>{text}</p>" if abstract.text else f"<p>{text}</p>"
    work.add("metadata.description", f"a part of the files is deposited ({work.left_out_files['chosen']})")


def sizes(work: Work) -> None:
    """Put sizes and formats in, for what is deposited: the listed files, the attachments, a zip where there is one."""
    if work.files and work.options.attached:
        work.formats.setdefault("json")
    has_empty = any(file["size_bytes"] == 0 for file in work.files)
    if work.options.bundled([file["key"] for file in work.files], has_empty):
        work.formats.setdefault("zip")
    names = sorted(work.formats)
    if names and work.profile.particles:
        work.metadata["file_types"] = names
    if not work.profile.sizes_and_formats:
        return
    if names:
        work.metadata["formats"] = names
    found = []
    if work.files:
        size = listed_bytes(work)
        found.append(counted(len(work.files), "file"))
        found += [] if size is None else [counted(size, "byte")]
    found += work.metadata.get("sizes", [])
    if found:
        work.metadata["sizes"] = found
