"""Opens a page in the user's browser."""

from __future__ import annotations

import os

# In the terminal they would take the place of the program, and few of them can show the page.
_TEXT_BROWSERS = frozenset({"www-browser", "elinks", "links", "lynx", "w3m"})


# Seconds. Most return at once, some when their window is closed.
_ANSWERS_WITHIN_S = 1.0


def open_browser(url: str) -> bool:
    """Open a page; False where there is no browser with a window."""
    import threading
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if os.path.basename(getattr(browser, "name", "")) in _TEXT_BROWSERS:
        return False
    opened: list[bool] = []

    def open_page() -> None:
        try:
            opened.append(browser.open(url))
        except (webbrowser.Error, OSError):
            opened.append(False)

    thread = threading.Thread(target=open_page, name="neuralterm-browser", daemon=True)
    thread.start()
    thread.join(_ANSWERS_WITHIN_S)
    return opened[0] if opened else True
