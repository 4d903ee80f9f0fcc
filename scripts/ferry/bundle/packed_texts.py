"""The texts of a bundle that is generated while it is uploaded: packed beforehand, as their lengths must be known.

They lie one behind the other in `bundles/<key>.deflated`, the only bytes of such a bundle that are on disk.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from ferry.bundle.compression import is_deflated
from ferry.bundle.deflated import deflating, packed_notes, remember_packed
from ferry.bundle.layout import PackedMember, lay_out, stored
from ferry.bundle.member_files import check_source
from ferry.bundle.plan import Member
from ferry.bundle.stored import Work
from ferry.bundle.write import Bundle
from ferry.bundle.zip_format import DEFLATED
from ferry.part_file import part_file


def prepare_bundle(*, path: Path, members: Sequence[Member], files_dir: Path, threads: int) -> Bundle:
    """Make ready to generate the bundle `path`, of the same bytes as `write_bundle` would write.

    Only texts are read. Of the others it is seen that they are there and have their length; their bytes are checked
    when they are uploaded.

    Raises:
        IntegrityError: a file is missing or not what the receipt of its download says.
        PermanentError: the disk is full.
        OSError: the disk cannot be read or written.
    """
    for member in members:
        check_source(member, files_dir=files_dir)
    packed = {member.key: stored(member) for member in members}
    texts = [member for member in members if is_deflated(member, files_dir=files_dir)]
    work = Work()
    if texts:
        placed, work = _pack_texts(texts, path=path, files_dir=files_dir, threads=threads)
        packed |= {text.member.key: text for text in placed}
    return Bundle(lay_out([packed[member.key] for member in members]), work)


def texts_path(bundle_path: Path) -> Path:
    """Return where the packed texts of a bundle lie that is not on disk itself."""
    return bundle_path.with_name(bundle_path.name + ".deflated")


def _pack_texts(
    texts: Sequence[Member], *, path: Path, files_dir: Path, threads: int
) -> tuple[list[PackedMember], Work]:
    placed, position = [], 0
    with part_file(texts_path(path)) as target:
        with deflating(texts, bundle_path=path, target=target, files_dir=files_dir, threads=threads) as deflater:
            for text in texts:
                packed = deflater.place(text, offset=position)
                if packed.method == DEFLATED:
                    position += packed.packed_bytes
                placed.append(packed)
        os.ftruncate(target, position)
    remember_packed(packed_notes(path), placed)
    return placed, deflater.work
