from neuralterm.components.tables import clipped, fitted_table, grouped, table
from neuralterm.components.text_width import columns_of, wrapped


def test_cells_are_never_read_as_numbers():
    rows = table(["id", "n"], [["1e5", "007"], ["0x1F", "1.50"]], right=["n"]).splitlines()[2:]

    assert [row.split() for row in rows] == [["1e5", "007"], ["0x1F", "1.50"]]
    assert len({len(row) for row in rows}) == 1


def test_columns_have_the_width_of_their_cells_on_a_terminal():
    assert table(
        ["name", "n", "more"], [["模型", "5", ""], ["e\u0301", "1,234,567", "x"]], right=["n"]
    ).splitlines() == [
        "name            n  more",
        "------  ---------  ------",
        "模型            5",
        "e\u0301       1,234,567  x",
    ]


def test_a_cell_stays_on_its_line_and_whole():
    lines = table(["a", "b"], [["one\ntwo", "x" * 500]]).splitlines()

    assert len(lines) == 3
    assert lines[2] == f"one two  {'x' * 500}"


def test_a_table_without_rows_is_its_header():
    assert table(["a", "b"], []).splitlines()[0].split() == ["a", "b"]


def test_counts():
    assert (grouped(1234567), grouped(0), grouped(None)) == ("1,234,567", "0", "?")


def test_columns_of_a_terminal():
    assert columns_of("abc\nde") == 3
    assert columns_of("模型") == 4
    assert columns_of("e\u0301") == 1
    assert columns_of("") == 0


def fitted(width, **choice):
    rows = [["模型/模型模型模型", "1,000", "$1.00"], ["short", "5", "$0.10"]]
    return fitted_table(("name", "tokens", "cost"), rows, width, **choice)


def test_a_table_that_fits_stays_as_it_is():
    assert fitted(None, names=["name"], expendable=[["tokens"]]) == fitted(100, names=["name"], expendable=[["tokens"]])
    assert fitted(1) == fitted(None)


def test_columns_are_left_out_before_names_are_shortened():
    whole = fitted(None)
    narrow = fitted(columns_of(whole) - 1, names=["name"], expendable=[["tokens"]])
    assert "模型/模型模型模型" in narrow
    assert "tokens" not in narrow


def test_names_are_shortened_by_columns_and_not_to_nothing():
    for width in range(16, 30):
        text = fitted(width, names=["name"], expendable=[["tokens"]])
        assert columns_of(text) <= width
    assert "模型/模…" in fitted(1, names=["name"], expendable=[["tokens"]])
    assert "short" in fitted(1, names=["name"], expendable=[["tokens"]])


def test_joined_and_unseen_characters_take_no_column_of_their_own():
    assert columns_of("👩\u200d👩\u200d👧") == 2
    assert columns_of("ไทย") == 3
    assert columns_of("שלום") == 4


def test_a_cell_is_cut_between_characters_that_belong_together():
    text = fitted_table(["name"], [["👩\u200d👩\u200d👧" * 8]], 9, names=["name"])
    assert text.splitlines()[-1] == "👩\u200d👩\u200d👧" * 4 + "…"


def test_right_to_left_text_stays_in_its_column():
    rows = [["שלום", "12"], ["hello", "3"]]
    line = fitted_table(["title", "n"], rows, 40).splitlines()[2]
    assert line == "\u200eשלום\u200e     12"
    assert columns_of(line) == len("hello    12")
    assert "\u200e" not in fitted_table(["title", "n"], rows, None)


def test_the_widest_name_is_shortened_first():
    rows = [["m" * 30, "t" * 12, "$1.00"]]
    text = fitted_table(["model", "tag", "cost"], rows, 38, names=["model", "tag"])
    assert text.splitlines()[-1] == "m" * 15 + "…  " + "t" * 12 + "  $1.00"
    assert "m" * 8 not in fitted_table(["model", "tag", "cost"], rows, 1, names=["model", "tag"])


def test_what_a_terminal_would_obey_has_the_width_of_what_is_shown_of_it():
    rows = [["e\x1b[31mvil/mo\u202edel", "1"], ["b" * 12, "2"]]
    lines = fitted_table(["model", "calls"], rows, 40).splitlines()
    assert lines[2] == "e␛[31mvil/mo\\u202edel  1"
    assert lines[3] == "b" * 12 + " " * 11 + "2"
    assert fitted_table(["model"], rows[:1], 12, names=["model"]).splitlines()[-1] == "e␛[31mvil/m…"
    assert "\x1b" in fitted_table(["model"], rows[:1], None)


def test_a_line_is_broken_at_its_spaces():
    assert wrapped("tokens  12 in, 模型 out", 14, 8) == "tokens  12 in,\n        模型\n        out"
    assert wrapped("  a word-that-is-longer b", 8) == "  a\nword-that-is-longer\nb"
    assert wrapped("as it is", None) == wrapped("as it is", 8) == "as it is"
    assert wrapped("", 1) == ""


def test_a_line_is_cut_by_what_is_shown_of_it():
    assert clipped("\x1b[31mred", 20) == "␛[31mred"
    assert clipped("\x1b[31mred and 模型", 8) == "␛[31mre…"
