"""Takes the pictures of docs/page.md: the page of the shipped agent, tab by tab, in Chromium without a screen.

    opengato demo --page-only --data data --runs runs    # elsewhere; it says its address
    python docs/page/take.py http://127.0.0.1:8400

Needs the extra `dev`, and of Debian `chromium` and a Chinese font for the button of languages (`fonts-wqy-zenhei`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from opengato.evaluators.heldout import held_out_pictures

HERE = Path(__file__).parent
WIDTH = 1120
RUN = "tiny"  # the one whose curves are shown, where it is among them
MINUTE = 60_000  # ms


def watch(page: Page) -> None:
    """An episode under way, expert and random beside it."""
    page.check("#beside")
    page.select_option("#fps", "5")
    page.click("#begin")
    page.wait_for_selector("[data-player=random] img[src^=blob]")
    page.wait_for_selector("#chances .chance.chosen")


def scores(page: Page) -> None:
    """The map of what was measured."""
    page.wait_for_selector("svg .dot")


def talk(page: Page) -> None:
    """A text, written to its end."""
    page.fill("#text", "She opened the letter, and")
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop:not([disabled])")
    page.wait_for_selector("#stop[disabled]", state="attached")


def describe(page: Page) -> None:
    """A picture, what is said of it, and what is found."""
    png = held_out_pictures("caption/emoji")[0].png
    page.set_input_files("#file", [{"name": "a.png", "mimeType": "image/png", "buffer": png}])
    page.click("#caption")
    page.click("#near")
    page.wait_for_selector("#nearest li")
    page.fill("#query", "a shoe")
    page.click("#find")
    page.wait_for_selector("#found [data-picture]")


def inside(page: Page) -> None:
    """Attention over a picture, and the map of tasks, which takes a minute to be drawn."""
    page.click("[data-picture='3']")
    page.click("#look")
    page.wait_for_selector("#maps figure rect")
    page.wait_for_selector("#draw, #map svg")
    if page.locator("#draw").count():
        page.click("#draw")
    page.wait_for_selector("#map svg", timeout=10 * MINUTE)


def data(page: Page) -> None:
    """An episode of a store, step by step."""
    page.wait_for_selector("#episodes tbody tr")
    page.locator("#episodes tbody button").first.click()
    page.wait_for_selector("#episode .cells li")


def runs(page: Page) -> None:
    """The curves of a training."""
    page.wait_for_selector("#run option", state="attached")
    if page.locator(f"#run option[value={RUN}]").count():
        page.select_option("#run", RUN)
    page.wait_for_selector("#curves svg .line")


TABS = {watch: 700, scores: 700, talk: 700, describe: 850, inside: 1850, data: 700, runs: 700}  # pixels high


def main(address: str) -> None:
    """One picture a tab."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for show, height in TABS.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": height}, locale="en-GB")
            page.set_default_timeout(MINUTE)
            page.goto(f"{address}/#{show.__name__}")
            page.wait_for_selector(f"#tab-{show.__name__}[aria-selected=true]")
            page.wait_for_selector("#panel > :nth-child(3)")
            show(page)
            page.wait_for_timeout(500)
            page.screenshot(path=HERE / f"{show.__name__}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
