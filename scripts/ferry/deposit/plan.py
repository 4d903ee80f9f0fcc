"""What has to be done so that a draft holds exactly the wanted files: decided here, done in `deposit`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

ForeignFiles = Literal["leave", "remove"]
FILES_PER_INIT = 100
"""One request announces this many; InvenioRDM takes no more than 100 files a record."""


class Listed(Protocol):
    """One entry of the repository's file list, as far as the decision needs it."""

    @property
    def key(self) -> str: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def md5(self) -> str | None: ...
    @property
    def is_complete(self) -> bool: ...


@dataclass(frozen=True)
class LocalFile:
    """One file that the record shall hold."""

    key: str
    size_bytes: int
    adler32: str
    md5: str | None
    """Of the bytes as they were sent or read last; None if nobody has computed it yet."""
    member_md5s: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Of a bundle, if they are wanted: key -> MD5, computed in the same pass."""
    content: str = ""
    """What tells its bytes from others, known without reading them: a digest of sizes, Adler-32 and CRC-32 of the file
    and of its members. An edited text may have the size and the Adler-32 that it had before."""


@dataclass(frozen=True)
class UploadPlan[RemoteFile: Listed]:
    """The difference between what a draft holds and what it shall hold."""

    keep: tuple[str, ...]
    """Right already: size and md5 as read back are ours."""
    send: tuple[LocalFile, ...]
    """To be announced, sent and committed, after `delete`."""
    delete: tuple[RemoteFile, ...]
    """Pending, wrong, or stale entries: content must never be put on an entry of unknown state."""
    resume: tuple[RemoteFile, ...]
    """Pending, and gone on with: some of its parts have arrived, or nothing was sent to it since it was announced."""
    wait: tuple[str, ...]
    """Complete and of the right size, but the repository has not told its md5 yet."""
    foreign: tuple[RemoteFile, ...]
    """Not ours, left alone."""

    @property
    def is_done(self) -> bool:
        """Whether the draft holds what it shall hold, as read back."""
        return not (self.send or self.delete or self.resume or self.wait)


def keys_to_hash(local: Sequence[LocalFile], remote: Sequence[Listed]) -> list[str]:
    """Return the keys whose md5 has to be known before `plan_upload` can decide about them."""
    listed = {entry.key: entry for entry in remote}
    return [
        file.key
        for file in local
        if file.md5 is None
        and (entry := listed.get(file.key)) is not None
        and entry.is_complete
        and entry.size_bytes == file.size_bytes
    ]


def plan_upload[RemoteFile: Listed](
    *,
    local: Sequence[LocalFile],
    remote: Sequence[RemoteFile],
    ours: frozenset[str] = frozenset(),
    doubted: frozenset[str] = frozenset(),
    foreign_files: ForeignFiles = "leave",
    is_resumable: Callable[[RemoteFile], bool] = lambda _: False,
) -> UploadPlan[RemoteFile]:
    """Compare what a draft shall hold with what it holds.

    Args:
        local: the wanted files; the md5 of those that `keys_to_hash` names is known.
        remote: the repository's list.
        ours: keys that an earlier attempt sent: no longer wanted, they go.
        doubted: keys under which wrong bytes were read back: what the repository tells of them says nothing.
        foreign_files: what becomes of files that nobody here has sent.
        is_resumable: whether a pending entry of a wanted key can be gone on with as it is.

    Returns:
        The plan. Every wanted key stands in exactly one of keep, send, resume, wait.
    """
    listed = {entry.key: entry for entry in remote}
    wanted = {file.key for file in local}
    keep: list[str] = []
    send: list[LocalFile] = []
    wait: list[str] = []
    delete: list[RemoteFile] = []
    resume: list[RemoteFile] = []
    for file in local:
        entry = listed.get(file.key)
        if entry is None:
            send.append(file)
        elif not entry.is_complete and is_resumable(entry):
            resume.append(entry)
        elif not entry.is_complete or entry.size_bytes != file.size_bytes or file.key in doubted:
            delete.append(entry)
            send.append(file)
        elif entry.md5 is None:
            wait.append(file.key)
        elif entry.md5 == file.md5:
            keep.append(file.key)
        else:
            delete.append(entry)
            send.append(file)
    unwanted = [entry for entry in remote if entry.key not in wanted]
    stale = [entry for entry in unwanted if entry.key in ours or foreign_files == "remove"]
    foreign = [entry for entry in unwanted if entry not in stale]
    return UploadPlan(
        keep=tuple(keep),
        send=tuple(send),
        delete=(*delete, *stale),
        resume=tuple(resume),
        wait=tuple(wait),
        foreign=tuple(foreign),
    )
