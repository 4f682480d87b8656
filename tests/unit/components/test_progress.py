"""How far long work has come: nothing for quick work, then a line a second."""

from neuralterm.components.progress import Progress


def test_quick_work_needs_no_words_and_long_work_a_line_a_second():
    now, said = [0.0], []
    progress = Progress("copied", said.append, lambda: now[0])

    for done in range(0, 101, 10):
        progress(done, 100)
        now[0] += 0.4

    assert said == ["copied 30%", "copied 60%", "copied 90%"]


def test_work_that_is_done_is_not_announced():
    now, said = [0.0], []
    progress = Progress("copied", said.append, lambda: now[0])

    now[0] = 5.0
    progress(0, 0)
    progress(7, 7)

    assert said == []
