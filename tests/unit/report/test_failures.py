"""What the terminal shows of records at the end of a run."""

from ferry.report.failures import part_lines


def test_files_that_are_left_out_are_counted_in_plain_words():
    rows = [{"recid": recid, "left_out_count": count} for recid, count in ((7, 1), (8, 2))]
    assert part_lines(rows, most=5)[1:] == ["  7  1 file left out", "  8  2 files left out"]
