"""What the terminal shows of records at the end of a run."""

from ferry.report.failures import TO_RETRY, failure_lines, part_lines


def test_files_that_are_left_out_are_counted_in_plain_words():
    rows = [{"recid": recid, "left_out_count": count} for recid, count in ((7, 1), (8, 2))]
    assert part_lines(rows, most=5)[1:] == ["  7  1 file left out", "  8  2 files left out"]


def test_a_long_reason_is_cut_before_the_word_that_its_record_is_tried_again():
    row = {"recid": 5, "step": "upload_record", "error_type": "TransientError", "attempts": 1, "log": None}
    long, short = ({**row, "error": error} for error in (f"{'x' * 400}{TO_RETRY}", "why"))
    lines = failure_lines([long, short], most=2, command=None)
    assert lines[0].endswith("xxx…; to be tried again")
    assert lines[2].endswith(": why")
