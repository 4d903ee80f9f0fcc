"""Equal problems of many records are one line with their count."""

from ferry.text.problem_lines import problem_lines


def missing(recid: int) -> tuple[int, str]:
    return recid, f"https://portal.example/api/records/{recid}: expected an answer, found HTTP 404 NOT FOUND"


def test_problems_that_differ_in_their_values_alone_are_one_line_those_of_most_records_first():
    problems = [(3, "metadata title: expected a text, found none"), *map(missing, range(10, 17))]
    assert problem_lines(problems, most=9) == [
        "  7 records (10, 11, 12, 13, 14, …): … expected an answer, found HTTP 404 NOT FOUND",
        "  3  metadata title: expected a text, found none",
    ]


def test_lines_that_are_not_shown_are_counted():
    problems = [(number, f"{'x' * number}: wrong") for number in range(1, 6)]
    assert problem_lines(problems, most=3)[-1] == "  and 2 more kinds"
