from neuralterm.application.doctor import Finding, Health
from neuralterm.components.doctor_view import findings_text

PATH = "/a/path/that/is/much/longer/than/the/terminal/is/wide"
FOUND = [
    Finding("key", Health.OK, "from OPENROUTER_API_KEY; the service takes it"),
    Finding("database", Health.WARN, f"other users may look into {PATH}", f"chmod go= {PATH}"),
]


def test_a_finding_is_one_line_for_programs():
    ok, warn = findings_text(FOUND).splitlines()
    assert ok == "ok    key: from OPENROUTER_API_KEY; the service takes it"
    assert warn == f"warn  database: other users may look into {PATH}; chmod go= {PATH}"


def test_on_a_narrow_terminal_lines_are_broken_at_words_and_paths_stay_whole():
    lines = findings_text(FOUND, 40).splitlines()
    assert lines[:2] == ["ok    key: from OPENROUTER_API_KEY; the", "      service takes it"]
    assert [line for line in lines if len(line) > 40] == [f"      {PATH};", f"      {PATH}"]
    assert {line[:6].strip() for line in lines} == {"ok", "warn", ""}
