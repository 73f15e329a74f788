"""Every tab does its job in a browser, without a word on the console, and passes the checks of axe-core."""

from __future__ import annotations

import base64
import re
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from opengato.core.film import write_film
from opengato.core.media import wav
from opengato.evaluators.heldout import held_out_pictures
from tests.serve.asking import Running, until
from tests.serve.page.conftest import PICTURES

pytestmark = pytest.mark.timeout(300)
WAIT = 60_000  # ms: other tests may be busy beside this one
TABS = ("watch", "scores", "talk", "describe", "inside", "data", "runs")


class Tab:
    """The page with what it complained about; `page` is playwright's."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT)
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, name: str) -> Any:
        self.page.goto(f"{self.address}/#{name}")
        self.page.wait_for_selector(f"#tab-{name}[aria-selected=true]")
        self.page.wait_for_selector("#panel > :nth-child(3)")
        return self.page

    def until(self, expression: str) -> None:
        """Wait for what is true in the page; playwright's own way is to evaluate text there, which the page forbids."""
        until(lambda: bool(self.page.evaluate(expression)), expression, WAIT / 1000)

    def check(self) -> None:
        """No rule of axe-core is broken."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
        found = axe.Axe().run(self.page).response["violations"]
        assert not found, [(rule["id"], [node["html"][:200] for node in rule["nodes"]][:3]) for rule in found]


@pytest.fixture
def tab(browser: Any, served: Running) -> Generator[Tab]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    one = Tab(context.new_page(), served.address)
    yield one
    context.close()
    assert one.complaints == []


def step_of(page: Any, player: str = "agent") -> int:
    """The step that a caption shows."""
    found = re.search(r"step (\d+)", page.inner_text(f"[data-player={player}] figcaption"))
    assert found
    return int(found[1])


def test_watch(tab: Tab, served: Running) -> None:
    page = tab.open("watch")
    page.check("#beside")
    page.select_option("#fps", "1")
    page.click("#begin")
    page.wait_for_selector("[data-player=random] img[src^=blob]")
    page.wait_for_selector("#chances .chance.chosen")
    assert "go to" in page.inner_text("#told")
    assert page.eval_on_selector("[data-player=agent] img", "image => image.naturalWidth") == 320
    shares = [float(text.rstrip("%")) for text in page.locator("#chances .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert page.locator("#read .cells li").count() >= 1
    assert "ms" in page.inner_text("#latency")
    page.click("#play")  # pause
    page.wait_for_timeout(1500)
    before = step_of(page)
    page.click("#over")
    page.keyboard.press("ArrowLeft")
    tab.until(f"document.querySelector('[data-player=agent] figcaption').textContent.includes('step {before + 1}')")
    assert "you" in page.inner_text("#chances")
    page.click("#over")
    page.click("#step")
    page.wait_for_selector("#chances .chance.chosen")
    assert step_of(page) == before + 2
    tab.check()
    page.goto(f"{tab.address}/#runs")
    until(lambda: served.service.num_sessions == 0, "the row of who looked on is free")


def test_an_episode_ends(tab: Tab) -> None:
    page = tab.open("watch")
    page.fill("#seed", "3")
    page.select_option("#fps", "30")
    page.click("#begin")
    page.wait_for_selector(".chip")
    assert page.inner_text(".chip") in ("solved", "not solved")
    assert page.is_disabled("#step")


def test_a_task_of_numbers_is_steered_by_sliders(tab: Tab) -> None:
    page = tab.open("watch")
    page.select_option("#family", "metaworld")
    page.select_option("#task", "metaworld/reach")
    page.select_option("#fps", "1")
    page.click("#begin")
    page.wait_for_selector("#chances .chance svg")
    assert page.locator("#chances .chance").count() == 4
    page.click("#over")
    assert page.locator("#hand input[type=range]").count() == 4
    page.wait_for_timeout(1500)
    before = step_of(page)
    page.click("#hand button")
    tab.until(f"document.querySelector('[data-player=agent] figcaption').textContent.includes('step {before + 1}')")


def test_scores(tab: Tab) -> None:
    page = tab.open("scores")
    page.wait_for_selector("svg .dot")
    column = "table:has(caption:has-text('Measured')) tbody td:nth-child(3)"
    page.click("table:has(caption:has-text('Measured')) thead th:nth-child(3) button")
    shown = [float(text) for text in page.locator(column).all_inner_texts()]
    assert len(shown) > 80
    assert shown == sorted(shown, reverse=True)
    page.fill("input[type=text]", "drawer-open")
    assert page.locator(column).count() == 1
    tab.check()


# In the page, since on a busy machine all words may be there before a test sees the first.
STOP_AT_FIRST_WORDS = """
new MutationObserver((_, watcher) => {
  if (document.querySelectorAll('.it')[1]?.textContent.length > 5) {
    watcher.disconnect();
    document.querySelector('#stop').click();
  }
}).observe(document.body, { childList: true, subtree: true, characterData: true });
"""


def test_talk_streams_and_stops(tab: Tab) -> None:
    page = tab.open("talk")
    page.fill("#text", "It was a fine morning")
    page.keyboard.press("Enter")
    tab.until("document.querySelector('.it')?.textContent.length > 20")
    page.wait_for_selector("#stop[disabled]", state="attached")
    page.fill("input[max='1024']", "1000")
    page.fill("#text", "She opened the letter")
    page.evaluate(STOP_AT_FIRST_WORDS)
    page.click("#send")
    tab.until("document.querySelector('#said').textContent === 'stopped'")
    (before,) = page.locator(".it").nth(1).all_inner_texts()
    page.wait_for_timeout(500)
    assert page.locator(".it").nth(1).inner_text() == before
    tab.check()


def test_describe(tab: Tab) -> None:
    page = tab.open("describe")
    first = held_out_pictures("caption/emoji")[0]
    page.set_input_files("#file", [{"name": "a.png", "mimeType": "image/png", "buffer": first.png}])
    page.click("#caption")
    tab.until("!['', 'Working…'].includes(document.querySelector('#written').textContent)")
    page.click("#near")
    page.wait_for_selector("#nearest li")
    page.fill("#query", "a shoe")
    page.click("#find")
    page.wait_for_selector("#found [data-picture]")
    assert page.locator("#found [data-picture]").count() == 8
    page.locator("#found [data-picture]").first.click()
    assert "A human wrote" in page.inner_text("#drop")
    page.fill("#question", "what colour is it?")
    page.click("#ask")
    tab.until("document.querySelector('#written').textContent !== 'Working…'")
    tab.check()


def test_inside(tab: Tab) -> None:
    page = tab.open("inside")
    page.click("[data-picture='3']")
    page.select_option("#layer", "4")
    page.click("#look")
    page.wait_for_selector("#maps figure rect")
    assert page.locator("#maps figure:first-child rect").count() == 16
    page.select_option("#head", "1")
    assert page.locator("#read .cells li .swatch").count() == 16
    assert set(page.locator("#read .legend li").all_inner_texts()) == {"text", "image"}
    tab.check()


def test_the_map_of_tasks(tab: Tab) -> None:
    page = tab.open("inside")
    tab.until("document.querySelector('#map').childElementCount > 0")
    if page.locator("#draw").count():
        page.click("#draw")
    page.wait_for_selector("#map svg")
    assert page.locator("#map circle").count() == 12
    assert page.locator("#map .legend li").all_inner_texts() == ["babyai", "metaworld"]
    assert page.locator("#map circle.tone0").count() == 8
    assert page.locator("#map circle title").last.text_content() == "metaworld/reach"
    assert "after block 4 of 8" in page.inner_text("#map")
    page.hover("#map circle >> nth=5")
    assert page.inner_text("#mapTold") == "babyai/PutNext: 4 episodes"
    assert page.locator("#map circle.dim").count() == 8
    page.select_option("#mapTask", label="metaworld/reach")
    assert page.inner_text("#mapTold") == "metaworld/reach: 4 episodes"
    page.select_option("#mapTask", "")
    assert page.locator("#map circle.dim").count() == 0
    tab.check()


def test_talk_takes_films_and_sounds(browser: Any, sensing_page: Running) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    tab = Tab(context.new_page(), sensing_page.address)
    page = tab.open("talk")
    frames = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)
    film = {"name": "a.mp4", "mimeType": "video/mp4", "buffer": write_film(frames, 4)}
    page.set_input_files("#attach", [film])
    tab.until("document.querySelector('#said').textContent.includes('a.mp4')")
    sound = {"name": "b.wav", "mimeType": "audio/wav", "buffer": wav(np.sin(np.arange(4000) / 5), 8000)}
    page.set_input_files("#attach", [sound])
    tab.until("document.querySelector('#said').textContent.includes('b.wav')")
    page.fill("input[max='1024']", "5")
    page.fill("#text", "what happens?")
    with page.expect_request("**/v1/chat/completions") as sent:
        page.click("#send")
    kinds = [part["type"] for part in sent.value.post_data_json["messages"][0]["content"]]
    assert kinds == ["video_url", "input_audio", "text"]
    assert page.locator(".me video").count() == page.locator(".me audio").count() == 1
    tab.until("document.querySelector('.it')?.textContent.length > 0")
    page.wait_for_selector("#stop[disabled]", state="attached")
    assert "did not work" not in page.inner_text("#said")
    tab.check()
    context.close()
    assert tab.complaints == []


def test_data(tab: Tab) -> None:
    page = tab.open("data")
    page.select_option("#store", "made")
    tab.until("document.querySelectorAll('#episodes tbody tr').length === 50")
    page.click("text=Next")
    tab.until("document.querySelectorAll('#episodes tbody tr').length === 10")
    page.select_option("#success", "true")
    tab.until("document.querySelectorAll('#episodes tbody tr').length === 30")
    page.locator("#episodes tbody button").first.click()
    page.wait_for_selector("#episode .cells li")
    assert "go to number 1" in page.inner_text("#episode")
    assert page.locator("#episode .steps li").count() == 3
    tab.check()


def test_runs_grow(tab: Tab, shelf: Any) -> None:
    page = tab.open("runs")
    page.wait_for_selector("#curves svg .line")
    assert page.locator("#curves figure").count() == 2
    assert "at step 29" in page.inner_text("#curves figure >> nth=0")
    with (shelf / "runs" / "mine" / "log.jsonl").open("a") as file:
        file.write('ss": 0.1, "learning_rate": 0.1}\n')
    tab.until("document.querySelector('#curves figure').textContent.includes('at step 30')")
    tab.check()


def test_languages_themes_keys_and_a_phone(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 360, "height": 740})
    page = tab.open("scores")
    page.click("#theme")
    theme = page.evaluate("document.documentElement.dataset.theme")
    tab.check()
    page.focus("#tab-scores")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#tab-talk[aria-selected=true]")
    page.click("#language")
    page.wait_for_selector("h1:has-text('与它对话')")
    for name in TABS:
        tab.open(name)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than a phone"
    page.reload()
    page.wait_for_selector("h1:has-text('训练')")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    tab.check()


def test_the_pictures_of_the_page_are_the_held_out_ones(served: Running) -> None:
    found = served.get("/page/pictures").json()
    assert len(found) == PICTURES
    png = base64.b64decode(found[5]["url"].partition(",")[2])
    assert png == held_out_pictures("caption/emoji")[5].png
