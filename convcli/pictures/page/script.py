"""The program of a page: its modules, joined to one script, without what only people read."""

from __future__ import annotations

import re
from collections.abc import Callable

from convcli.pictures.page.shorten import shorten

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


def join_modules(read: Callable[[str], str], main: str) -> str:
    """Return a module and what it imports as one script.

    Each module becomes a function that runs once, after those that it imports, and returns its
    exports, so that names of two modules never meet.

    Parameters
    ----------
    read : callable
        Returns the text of a module.
    main : str
        The name of the module that runs last.

    Raises
    ------
    ValueError
        Where HTML would read the script as anything else, or an import or export is left.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = read(name)
        for _, imported in _IMPORT.findall(text):
            if imported not in parts:
                add(imported)
        parts[name] = _wrap_module(name, text)

    add(main)
    script = "\n" + "\n".join(parts.values()) + "\n"
    if re.search(r"</script|<!--", script, re.IGNORECASE):
        raise ValueError("a module holds what HTML would misread")
    return script


def _wrap_module(name: str, text: str) -> str:
    """Return a module as a constant of its exports."""
    imports: dict[str, str] = {}  # the module that each name comes from
    for names, source in _IMPORT.findall(text):
        imports |= dict.fromkeys(re.findall(r"\w+", names), _constant(source))
    exports = _EXPORT.findall(text)
    own = _EXPORT.sub("", _IMPORT.sub("", text))
    if re.search(r"^\s*(?:import|export)\b", own, re.MULTILINE):
        raise ValueError(f"{name} imports or exports in a way that would be misread here")
    body, new = shorten(own, imports)
    taken = "".join(
        f"const{{{','.join(f'{old}:{new[old]}' for old in imports if imports[old] == source)}}}"
        f"={source};"
        for source in dict.fromkeys(imports.values())
    )
    given = ",".join(f"{old}:{new[old]}" for old in exports)
    return f"const {_constant(name)}=(()=>{{{taken}{body}\nreturn{{{given}}}}})();"


def _constant(name: str) -> str:
    return f"${name.removesuffix('.js')}"
