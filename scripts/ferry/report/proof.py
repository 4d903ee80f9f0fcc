"""The chain of proof of a record, results/<recid>/proof.json, made of its receipts alone; and the manifest of them all.

What the source declares of a file, the bytes that were found to be that, the key (and the member of a bundle) that went
up with them, and its MD5 as the repository computed it: each link was compared when its receipt was written. The
manifest is a file as `sha256sum` makes them, so that it is proven by `sha256sum -c` years later, without this program.
"""

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from ferry.files import write_whole
from ferry.receipts import file_digest, identifier_of

type _Item = Mapping[str, Any]
type _Receipts = Mapping[str, Mapping[str, Any]]

PROOF = "proof.json"
"""In results/<recid>."""
MANIFEST = "manifest-sha256.txt"
"""In results/, with the digest of each proof."""
MADE_OF = ("source", "mapping", "download", "package", "upload")
"""Receipts without which there is no proof; `published` belongs to it where there is one."""


def proof_of(receipts: _Receipts) -> dict[str, Any]:
    """Return the proof of a record that is through; the same receipts always give the same.

    Args:
        receipts: of the record by name, those of `MADE_OF` and, where it went on from a draft, `published`. They fit
            each other (see `misfits`). Where an audit has read files back, `read_back` too.
    """
    upload = receipts["upload"]
    recid = upload["recid"]
    last = published_or_adopted(receipts) or {**upload, "state": "skipped" if "skipped" in upload else "draft"}
    return {
        "recid": recid,
        "identifier": identifier_of(receipts["mapping"], recid),
        **{name: last[name] for name in ("repository", "record_id", "record_url", "state")},
        "version": last.get("version"),
        "doi": last.get("doi"),
        "source_sha256": receipts["mapping"].get("source_sha256"),
        "metadata_sha256": upload.get("metadata_sha256"),
        "files": list(_files(receipts)),
        "uploads": list(_uploads(receipts)),
        **({"left_out": receipts["source"]["left_out"]} if "left_out" in receipts["source"] else {}),
    }


def published_or_adopted(receipts: _Receipts) -> Mapping[str, Any] | None:
    """Return the receipt `published`, or what would stand there of a record that was public when it was to go up.

    None of a record that is neither. Where `repository.finish` is draft, a record that is public already, and equal,
    is gone on with all the same.
    """
    if "published" in receipts:
        return receipts["published"]
    upload = receipts.get("upload", {})
    return {**upload, **upload["public"], "state": "published", "request": None} if "public" in upload else None


def _files(receipts: _Receipts) -> Iterable[dict[str, Any]]:
    """Yield each file that went up, sorted by key."""
    listed = _by_key(receipts["source"]["files"])
    held = _by_key(receipts["upload"]["files"])
    read = read_back(receipts, "files")
    carried = {
        packed["key"]: upload
        for upload in receipts["package"]["uploads"]
        if upload["kind"] != "attachment"
        for packed in upload["members"] or [upload]
    }
    for key, local in sorted(_by_key(receipts["download"]["files"]).items()):
        if key not in carried or carried[key]["key"] not in held:
            continue  # told as a misfit of those receipts
        upload, declared = carried[key], listed.get(key)
        in_bundle = upload["kind"] == "bundle"
        sent = held[upload["key"]]
        yield {
            "key": key,
            "uri": declared["uri"] if declared else None,
            "declared": {name: declared[name] for name in ("size_bytes", "checksum")} if declared else None,
            "verified_by": _verified_by(declared, local),
            **{name: local[name] for name in ("verified", "size_bytes", "adler32", "crc32")},
            **{name: local[name] for name in ("original_name", "stated") if name in local},
            "md5": sent.get("member_md5s", {}).get(key) if in_bundle else sent["md5"],
            "uploaded_key": upload["key"],
            "member": key if in_bundle else None,
            "confirmed_by": _confirmed(key in read),
        }


def _verified_by(declared: _Item | None, local: _Item) -> str:
    if local["verified"] == "none":
        return "nothing"
    return "record" if local["verified"] == "size" or (declared and declared["checksum"]) else "statement"


def _uploads(receipts: _Receipts) -> Iterable[dict[str, Any]]:
    """Yield each key that the record holds in the repository, sorted."""
    kinds = {upload["key"]: upload["kind"] for upload in receipts["package"]["uploads"]}
    read = read_back(receipts, "uploads")
    for key, held in sorted(_by_key(receipts["upload"]["files"]).items()):
        # what is no file of the record and no bundle of them was made while it went up
        kind = kinds.get(key, "attachment")
        told = {name: held[name] for name in ("key", "size_bytes", "adler32", "md5")}
        yield {"kind": kind, **told, "confirmed_by": _confirmed(key in read)}


def read_back(receipts: _Receipts, items: str) -> set[str]:
    """Return the keys of `files`, or of `uploads`, that were read back from the record as it is now."""
    noted, upload = receipts.get("read_back"), receipts.get("upload", {})
    if noted is None or (noted["repository"], noted["record_id"]) != (upload.get("repository"), upload["record_id"]):
        return set()
    md5s = {held["key"]: held["md5"] for held in upload["files"]}
    return {each["key"] for each in noted[items] if md5s.get(each.get("uploaded_key", each["key"])) == each["md5"]}


def _confirmed(is_read: bool) -> str:
    return "read_back" if is_read else "repository"


def _by_key(items: Iterable[_Item]) -> dict[str, _Item]:
    return {item["key"]: item for item in items}


def write_manifest(recids: Iterable[int], results_dir: Path, *, of: Iterable[int] | None = None) -> None:
    """Write the manifest of the proofs of these records, sorted; those without one are not in it.

    Args:
        recids: that have a proof.
        results_dir: where they lie.
        of: all records of the list, by default the same ones. The lines of others, of a longer list, stay where they
            are those of proofs that are there.

    Raises:
        OSError: it could not be written; the one that was there before is untouched.
    """
    digests = {recid: digest for recid in set(recids) if (digest := file_digest(results_dir / f"{recid}/{PROOF}"))}
    looked_at = digests.keys() if of is None else set(of)
    for name, listed in read_manifest(results_dir / MANIFEST)[0].items():
        recid = _recid_of(name)
        if recid is not None and recid not in looked_at and file_digest(results_dir / name) == listed:
            digests[recid] = listed
    write_whole(
        results_dir / MANIFEST, manifest_text({f"{recid}/{PROOF}": digests[recid] for recid in sorted(digests)})
    )


def _recid_of(name: str) -> int | None:
    """Return the recid of a proof by its name in the manifest; None for any other name."""
    head = name.removesuffix(f"/{PROOF}")
    return int(head) if head.isascii() and head.isdecimal() and f"{int(head)}/{PROOF}" == name else None


def renew_manifest(written: Set[str], results_dir: Path) -> None:
    """Bring the lines of proofs that have one of these digests up to that; nothing is done where there is no manifest.

    Raises:
        OSError: it could not be written; it is as it was before.
    """
    path = results_dir / MANIFEST
    digests, _ = read_manifest(path)
    found = {name: file_digest(results_dir / name) for name in digests} if written else {}
    renewed = {name: digest for name, digest in found.items() if digest in written}
    if not renewed.items() <= digests.items():
        write_whole(path, manifest_text(digests | renewed))


def manifest_text(digests: Mapping[str, str]) -> str:
    """Return the manifest of files by their names below results/, each with its SHA-256."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def read_manifest(path: Path) -> tuple[dict[str, str], str]:
    """Return what a manifest has, by name, as far as its lines can be read; and its text. Nothing if there is none."""
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return {}, ""
    parts = [line.partition("  ") for line in text.splitlines()]
    return {name: digest for digest, _, name in parts}, text
