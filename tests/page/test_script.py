"""The script of a page does what its modules do, and is shorter."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.browser import call
from support.page_states import random_state

from convcli.pictures.page.script import join_modules
from convcli.pictures.page.shorten import shorten

if TYPE_CHECKING:
    from playwright.sync_api import Page


def read(name: str) -> str:
    return files("convcli.pictures.page").joinpath(name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("const size = 1; use({ size });", "const size=1;use({size});"),
        ("const size = 1; use({ size: size, ...size });", "const a=1;use({size:a,...a});"),
        ("let size = a.size?.size; size += 1;", "let b=a.size?.size;b+=1;"),
        ("const half = 4 / 2 / side; f(/[/]\\// .test(x))", "const a=4/2/side;f(/[/]\\//.test(x))"),
        ("const text = 'const text // no' + \"/* text */\";", None),
        ("const one = `a // b ${ one ? `${ one }` : '`' } /* c */`;", None),
        ("class View { size() { return 1 } } new View().size();", None),
        ("const f = () => 1\nf()\n", "const a=()=>1\na()"),
        ("const n = a + +b - -c; i++\nj", "const d=a+ +b- -c;i++\nj"),
        ("const window = 1; g(window);", "const window=1;g(window);"),
        ("function draw() {} x = { draw() { draw(); } };", None),
        ("const { size: own = 2 } = it; const other = own;", None),
    ],
)
def test_a_short_script_means_the_same(text: str, short: str | None) -> None:
    expected = {
        "const text": "const a='const text // no'+\"/* text */\";",
        "const one ": "const a=`a // b ${a?`${a}`:'`'} /* c */`;",
        "class View": "class a{size(){return 1}}new a().size();",
        "function d": "function draw(){}x={draw(){draw();}};",
        "const { si": "const{size:own=2}=it;const a=own;",
    }
    assert shorten(text)[0] == (short or expected[text[:10]])


def test_names_of_two_modules_never_meet_and_exports_keep_theirs() -> None:
    modules = {
        "a.js": "const value = 1;\nexport function give() { return value; }\n",
        "main.js": 'import { give } from "./a.js";\nconst value = 2;\nuse(give() + value);\n',
    }
    script = join_modules(modules.__getitem__, "main.js")
    assert script.index("$a=") < script.index("$main=")
    assert "return{give:" in script
    assert "const{give:" in script


@pytest.mark.parametrize(
    "text", ['f("</SCRIPT>");', 'f("<!--");', 'import x from "./a.js";\n', "export { x };\n"]
)
def test_a_script_that_would_be_misread_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="misread"):
        join_modules({"main.js": text}.__getitem__, "main.js")


@pytest.mark.browser
def test_the_joined_script_computes_what_the_modules_do(modules: Page) -> None:
    states = [random_state(np.random.default_rng(seed)) for seed in range(40)]
    script = join_modules(read, "command.js")
    program = """([script, states]) => {
        const run = new Function(script + "return {...$arithmetic, ...$command};");
        const found = run();
        return states.map((state) => [found.computeOutputs(state), found.makeTorchLine(state)]);
    }"""
    found = modules.evaluate(program, [script, states])
    calls = [[state] for state in states]
    outputs = call(modules, "arithmetic.js", "computeOutputs", calls)
    lines = call(modules, "command.js", "makeTorchLine", calls)
    assert found == [[*pair] for pair in zip(outputs, lines, strict=True)]
