"""What a draft needs is decided from what it shall hold and what it holds."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ferry.deposit.plan import LocalFile, keys_to_hash, plan_upload


@dataclass(frozen=True)
class Entry:
    key: str
    size_bytes: int | None = 3
    md5: str | None = "m"
    is_complete: bool = True


def local(key="a", size_bytes=3, md5="m"):
    return LocalFile(key=key, size_bytes=size_bytes, adler32="00000001", md5=md5)


def test_an_absent_file_is_sent():
    plan = plan_upload(local=[local()], remote=[])
    assert (plan.send, plan.delete, plan.keep) == ((local(),), (), ())
    assert not plan.is_done


def test_a_file_that_reads_back_right_is_kept_and_nothing_is_done():
    plan = plan_upload(local=[local()], remote=[Entry("a")])
    assert plan.keep == ("a",)
    assert plan.is_done


def test_a_pending_entry_is_deleted_before_the_file_is_sent():
    pending = Entry("a", size_bytes=None, md5=None, is_complete=False)
    plan = plan_upload(local=[local()], remote=[pending])
    assert (plan.delete, plan.send) == ((pending,), (local(),))


def test_a_complete_file_of_wrong_size_or_md5_is_deleted_and_sent():
    for wrong in (Entry("a", size_bytes=2), Entry("a", md5="other")):
        plan = plan_upload(local=[local()], remote=[wrong])
        assert (plan.delete, plan.send) == ((wrong,), (local(),))


def test_a_file_of_which_wrong_bytes_were_read_back_is_deleted_and_sent_whatever_is_told_of_it():
    listed = [Entry("a"), Entry("b"), Entry("c", md5=None)]
    plan = plan_upload(local=[local("a"), local("b"), local("c")], remote=listed, doubted=frozenset("ac"))
    assert (plan.delete, plan.send) == ((listed[0], listed[2]), (local("a"), local("c")))
    assert plan.keep == ("b",)


def test_a_file_whose_checksum_is_not_told_yet_is_waited_for_and_not_trusted():
    plan = plan_upload(local=[local()], remote=[Entry("a", md5=None)])
    assert plan.wait == ("a",)
    assert not plan.is_done


def test_a_foreign_file_is_left_or_removed_as_asked_and_a_stale_one_of_ours_goes():
    foreign, stale = Entry("readme"), Entry("old")
    left = plan_upload(local=[], remote=[foreign, stale], ours=frozenset({"old"}))
    assert (left.foreign, left.delete) == ((foreign,), (stale,))
    removed = plan_upload(local=[], remote=[foreign, stale], ours=frozenset({"old"}), foreign_files="remove")
    assert (removed.foreign, removed.delete) == ((), (foreign, stale))


def test_only_what_may_be_right_has_to_be_hashed():
    files = [
        local("right", md5=None),
        local("short", size_bytes=9, md5=None),
        local("absent", md5=None),
        local("known"),
    ]
    remote = [Entry("right"), Entry("short"), Entry("known")]
    assert keys_to_hash(files, remote) == ["right"]


KEYS = st.sampled_from("abcdef")
LOCALS = st.lists(st.builds(local, key=KEYS, size_bytes=st.integers(0, 3)), unique_by=lambda file: file.key)
REMOTES = st.lists(
    st.builds(
        Entry,
        key=KEYS,
        size_bytes=st.one_of(st.none(), st.integers(0, 3)),
        md5=st.sampled_from(["m", "x", None]),
        is_complete=st.booleans(),
    ),
    unique_by=lambda entry: entry.key,
)


@given(files=LOCALS, remote=REMOTES)
def test_every_wanted_key_is_kept_sent_or_waited_for_and_what_is_sent_is_free(files, remote):
    plan = plan_upload(local=files, remote=remote)
    told = [*plan.keep, *(file.key for file in plan.send), *plan.wait]
    assert sorted(told) == sorted(file.key for file in files)
    remaining = {entry.key for entry in remote} - {entry.key for entry in plan.delete}
    assert remaining.isdisjoint(file.key for file in plan.send)


@given(files=LOCALS, remote=REMOTES)
def test_done_as_planned_the_next_plan_has_nothing_to_do(files, remote):
    plan = plan_upload(local=files, remote=remote, foreign_files="remove")
    after = [entry for entry in remote if entry not in plan.delete and entry.key not in plan.wait]
    after += [Entry(file.key, size_bytes=file.size_bytes) for file in plan.send]
    after += [Entry(file.key, size_bytes=file.size_bytes) for file in files if file.key in plan.wait]
    assert plan_upload(local=files, remote=after, foreign_files="remove").is_done
