"""A few seeds of `make soak`, which takes hundreds."""

import pytest

from harness.story import tell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("seed", range(1, 4))
def test_kills_and_a_bad_line_leave_each_record_once_and_whole(tmp_path, seed):
    assert tell(seed, tmp_path, kinds=["kills", "line"]).faults == []


@pytest.mark.parametrize("seed", [400, 401])
def test_what_is_done_late_leaves_each_record_once_and_whole(tmp_path, seed):
    assert tell(seed, tmp_path, kinds=["kills", "line", "late"]).faults == []
