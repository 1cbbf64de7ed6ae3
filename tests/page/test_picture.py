"""Pictures on a page: the levels that it reads, the panel that shows them, and what is opened."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.browser import call, serve_modules
from support.page_states import random_state, run_engine

from convcli.images.quantize import POLICIES, quantize
from convcli.images.read import read_input
from convcli.pictures.page.state import make_input, make_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload, Page

pytestmark = pytest.mark.browser

# Shows the panel alone, over a state; `window.page` holds what it said and did.
PROGRAM = """async ([state, picture]) => {
    const { makePicturePanel, readPicture } = await import("/picture.js");
    const { computeOutputs } = await import("/arithmetic.js");
    if (picture) state.input = await readPicture(picture);
    const page = { state, said: [], opened: [] };
    window.page = page;
    const show = () => panel.update(page.state, computeOutputs(page.state));
    const panel = makePicturePanel({
        getState: () => page.state,
        moveTo(at) { page.state = { ...page.state, at: { ...page.state.at, ...at } }; show(); },
        open(found) {
            page.opened.push(found);
            const size = [found.maps[0].length, found.maps[0][0].length];
            page.state = { ...page.state, input: found.maps, size };
            show();
        },
        say: (message) => page.said.push(message),
    });
    document.body.replaceChildren(panel.element);
    show();
}"""
# The color in the middle of each of so many rows and columns of a canvas.
PIXELS = """([index, rows, columns]) => {
    const canvas = document.querySelectorAll("canvas")[index];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const zoom = canvas.width / columns;
    const middle = (place) => Math.floor((place + 0.5) * zoom);
    const pixel = (row, column) => 4 * (middle(row) * canvas.width + middle(column));
    return Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) =>
        Array.from(data.slice(pixel(row, column), pixel(row, column) + 3))));
}"""


@pytest.fixture(scope="module")
def panel(browser: Browser) -> Any:
    page = browser.new_page()
    serve_modules(page)
    yield page
    page.close()


def make_state(values: np.ndarray[Any, Any], **settings: Any) -> dict[str, Any]:
    state = random_state(np.random.default_rng(0), "conv")
    kernel = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    plain: dict[str, Any] = {
        "kernel": [3, 3], "stride": [1, 1], "padding": [[1, 1], [1, 1]], "dilation": [1, 1],
        "mode": "replicate", "flip": False, "bias": 0, "range": "clamp", "relu": False,
        "weights": [[kernel]], "input": values.tolist(), "size": list(values.shape[1:]),
        "at": {"channel": 0, "row": 0, "column": 0},
    }  # fmt: skip
    return {**state, **plain, **settings}


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 256, shape)


def show(panel: Page, state: dict[str, Any], picture: dict[str, Any] | None = None) -> None:
    panel.evaluate(PROGRAM, [state, picture])


def png(levels: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def choose(panel: Page, name: str, content: bytes) -> None:
    file: FilePayload = {"name": name, "mimeType": "image/png", "buffer": content}
    panel.set_input_files("input[type=file]", [file])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_levels_of_the_embedded_picture_are_exact(panel: Page, channels: int) -> None:
    levels = noise(channels, 17, 23)
    show(panel, make_state(levels), make_picture(levels.astype(float)))
    assert panel.evaluate("window.page.state.input") == levels.tolist()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_output_is_drawn_as_it_would_be_written(panel: Page, policy: str) -> None:
    levels = noise(3, 15, 20)
    state = make_state(levels, range=policy, at={"channel": 0, "row": 14, "column": 19})
    show(panel, state)
    drawn = np.array(panel.evaluate(PIXELS, [1, 15, 20]))
    expected = quantize(run_engine(state).transpose(1, 2, 0), policy, 8).pixels
    far = (slice(0, 13), slice(0, 18))  # from the mark
    np.testing.assert_array_equal(drawn[far], expected[far])


def test_keys_and_pointer_move_the_window_and_the_values_follow(panel: Page) -> None:
    levels = noise(1, 20, 30)
    state = make_state(levels)
    show(panel, state)
    output = panel.locator("canvas").nth(1)
    output.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp"):
        panel.keyboard.press(key)
    at = panel.evaluate("window.page.state.at")
    assert (at["row"], at["column"]) == (1, 1)
    outputs = run_engine(state)[0]
    text = panel.inner_text(".picture-values").replace("\u2212", "-")
    pixel = int(np.clip(outputs[1, 1], 0, 255))
    assert text == (
        f"Input 1, 1: {levels[0, 1, 1]}. Output 1, 1: {outputs[1, 1]:g}, as a pixel {pixel}."
    )
    panel.keyboard.press("End")
    panel.keyboard.press("PageUp")
    at = panel.evaluate("window.page.state.at")
    assert (at["row"], at["column"]) == (0, 29)
    for index in (0, 1):
        box = panel.locator("canvas").nth(index).bounding_box()
        assert box is not None
        panel.mouse.move(
            box["x"] + box["width"] * 10.5 / 30, box["y"] + box["height"] * (5.5 + index) / 20
        )
        at = panel.evaluate("window.page.state.at")
        assert (at["row"], at["column"]) == (5 + index, 10)


def test_a_picture_is_opened_by_choosing_or_dropping_it(panel: Page) -> None:
    show(panel, make_state(noise(1, 9, 9)))
    levels = noise(12, 15, 3)
    choose(panel, "new.png", png(levels))
    panel.wait_for_function("window.page.opened.length === 1")
    opened = panel.evaluate("window.page.opened[0]")
    assert opened == {"maps": levels.transpose(2, 0, 1).tolist(), "source": "new.png", "notes": []}
    gray = noise(8, 5)
    panel.evaluate(
        """([text]) => {
            const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "gray.png", { type: "image/png" }));
            const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
            document.querySelector("section").dispatchEvent(new DragEvent("drop", init));
        }""",
        [base64.b64encode(png(gray)).decode()],
    )
    panel.wait_for_function("window.page.opened.length === 2")
    assert panel.evaluate("window.page.opened[1].maps") == [gray.tolist()]


def test_a_large_picture_is_resampled_and_no_picture_is_refused(panel: Page) -> None:
    show(panel, make_state(noise(1, 9, 9)))
    choose(panel, "large.png", png(noise(400, 800, 3)))
    panel.wait_for_function("window.page.opened.length === 1")
    shape = panel.evaluate(
        "(({maps, source}) => [maps.length, maps[0].length, maps[0][0].length, source])"
        "(window.page.opened[0])"
    )
    assert shape == [3, 181, 362, None]
    assert panel.evaluate("window.page.said") == [
        "The picture is resampled from 800\u00d7400 to 362\u00d7181 pixels."
    ]
    for name in ("<img src=x onerror=alert(1)>.png", "notes.txt"):
        choose(panel, name, b"no picture")
        panel.wait_for_function(f"window.page.said.at(-1).includes({json.dumps(name)})")


def test_a_large_input_is_resampled_and_said(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(noise(300, 900, 3)))
    made = make_input(read_input(str(path)))
    assert made.size == (147, 443)
    assert made.options == ("--resize", "443x147")
    assert "resampled from 300x900 to 147x443" in made.notes[0]


def test_findings_of_levels_are_those_of_apply(modules: Page) -> None:
    values = np.array([[[-300.5, -0.5, 0.5, 1.5, 127.5, 254.5, 255.5, 400]]])
    for policy in POLICIES:
        found = call(modules, "arithmetic.js", "toLevels", [[values.tolist(), policy]])[0]
        np.testing.assert_array_equal(found, quantize(values, policy, 8).pixels)
