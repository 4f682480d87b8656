from neuralterm.components.tables import columns_of, grouped, numbered, table


def test_cells_are_never_read_as_numbers():
    rows = table(["id", "n"], [["1e5", "007"], ["0x1F", "1.50"]], right=["n"]).splitlines()[2:]

    assert [row.split() for row in rows] == [["1e5", "007"], ["0x1F", "1.50"]]
    assert len({len(row) for row in rows}) == 1


def test_a_cell_stays_on_its_line_and_whole():
    lines = table(["a", "b"], [["one\ntwo", "x" * 500]]).splitlines()

    assert len(lines) == 3
    assert lines[2] == f"one two  {'x' * 500}"


def test_a_table_without_rows_is_its_header():
    assert table(["a", "b"], []).splitlines()[0].split() == ["a", "b"]


def test_counts():
    assert (grouped(1234567), grouped(0), grouped(None)) == ("1,234,567", "0", "?")


def test_numbers_of_things():
    assert [numbered(count, "call") for count in (0, 1, 1234)] == ["0 calls", "1 call", "1,234 calls"]


def test_columns_of_a_terminal():
    assert columns_of("abc\nde") == 3
    assert columns_of("模型") == 4
    assert columns_of("e\u0301") == 1
    assert columns_of("") == 0
