"""A document is read from where it belongs; of what lies elsewhere it is told how it may come."""

import re
import shutil

import pytest

from ferry.documents import read_document
from ferry.errors import MetadataError

FOLLOWED = {
    "put the file itself there": lambda link, elsewhere: (link.unlink(), shutil.copy(elsewhere, link)),
    "name a folder above it in source.allow.folders": None,
}


@pytest.mark.parametrize("way", FOLLOWED)
def test_a_link_that_leads_elsewhere_is_refused_until_one_does_what_that_says(tmp_path, way):
    metadata, elsewhere = tmp_path / "metadata", tmp_path / "elsewhere" / "7.json"
    metadata.mkdir()
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"{}")
    link = metadata / "7.json"
    link.symlink_to(elsewhere)
    with pytest.raises(MetadataError, match=re.escape(way)):
        read_document(link, within=metadata, folders=[], most_bytes=10)
    if act := FOLLOWED[way]:
        act(link, elsewhere)
    folders = [] if act else [str(elsewhere.parent)]
    assert read_document(link, within=metadata, folders=folders, most_bytes=10) == b"{}"


def test_what_is_no_file_is_refused_until_it_is_removed(tmp_path):
    place = tmp_path / "7.json"
    place.mkdir()
    with pytest.raises(MetadataError, match="found something else by that name; remove it"):
        read_document(place, within=tmp_path, folders=[], most_bytes=10)
    place.rmdir()
    with pytest.raises(FileNotFoundError):
        read_document(place, within=tmp_path, folders=[], most_bytes=10)
