"""Mistakes in YAML files: of bytes, of tokens, of lines, and of structure; seeded."""

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import yaml

_BOMB = "&a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"
_LAYERS = [f"&{name} [" + f"*{below}, " * 9 + "]" for below, name in pairwise("abcdefgh")]
SCALARS = (
    *('""', "null", "~", "true", "off", ".nan", ".inf", "-.inf", "1e400", "-1", "0", "007", "1_0"),
    *("99999999999", "1" * 400, "9" * 5_000, "0x" + "f" * 5_000, "0b", "0b1", "0x", "1:30"),
    *("-0.0", "1e-400", "9007199254740993", "!!int ''", "!!int x", "!!float ''", "!!bool ''"),
    *("!!null x", "!!str", "!!timestamp 2020-01-01", "!!binary xx", "!!set {a}", "!!omap [a: 1]"),
    *("!!python/object/apply:os.system [ls]", "!!python/name:os.system", "!x y", "!!map []"),
    *("!!seq {}", "!!merge x", "!!value 3", "=", "2020-01-01", "2020-13-45", "2020-01-01 25:61:61"),
    *('"\\U00110000"', '"\\ud800"', '"a\\udfffb"', '"\\0"', '"\\x00/x"', "²", "é"),
    *("\u0661\u0662", "\u2028"),
    *("[]", "{}", "[[]]", "[null]", "{a: }", "{? [a] : b}", "{{}: 1}", "{1: 2}", "{null: 1}"),
    *("{true: 1}", "{1.5: a}", "{.nan: 1}", "&r [*r]", "&r {x: *r}", "*nope", "<<", "{<<: 3}"),
    *("{<<: [1]}", "{<<: {a: 1}}", "&q 1", ".." * 1_000, "a." * 2_000 + "a", "a" + "[0]" * 2_000),
    *("x" * 300, "y" * 100_000, "../../etc/passwd", "/dev/zero", "/dev/null", ".", "..", "/"),
    *("~/x", "/dev/zero.yaml"),
    *("x.yaml", "../configs", "../configs/toy.yaml", "a/b", "a\\b", "a[0]"),
    *("a[99999999999999999999]", "a[-1]", "a[²]", "[0]", "a..b", ".a", "a."),
    *("trainer.callbacks[0]",),
    *("optuna.samplers.TPESampler", "torch.nn.Linear", "no_such_module.Model", "torch.optim.Adem"),
    *("torch", "${env:HOME}", "=1+1", "%s %d", "{0}", "'", '"', "\t", "|\n", ">-\n", "? a", "- -"),
    *("---", "...", "%YAML 9.9", "%TAG ! !", "#", ": :", ", ,", "@x", "`x`", "[", "{", "]", "}"),
    *("[" * 500, "[" * 20_000, "{a: " * 3_000, "- " * 2_000, "'{\"class_path\": 3}'"),
    *("{class_path: }", "{class_path: [1]}", "{class_path: torch.nn.Linear, init_args: 3}"),
    *("{init_args: {}}", "{class_path: torch.optim.SGD, init_args: [1]}", "{float: [1, 2]}"),
    *("{choice: [1, 1]}", "{choice: {a: 1}}", "{int: [0, 99999999999999999999]}"),
    *("{float: [2, 1]}",),
    *("{float: [.nan, 1]}", "{int: 3}", "{float: []}", "{choice: [[1], [2]]}", "{choice: abc}"),
    *("[" + "7, " * 20_000 + "]", "[" + ", ".join(map(str, range(30_000))) + "]"),
    _BOMB + "\n" + "".join(f"k{n}: &b{n} [{f'*b{n - 1}, ' * 9}]\n" for n in range(1, 9)),
    "[" + ", ".join([_BOMB, *_LAYERS]) + "]",
    *("0s", "-5m", "1h30", "9" * 400 + "h", "1e9d", "on", "no", "y", "minimize", "maximise"),
)  # fmt: skip
"""Texts that stand where a value belongs."""

KEYS = (
    *("", "null", "true", "1", "1.5", "<<", "[a]", "{}", "? ", "&a x", "*a", "!!int x", ".nan"),
    *('"\\ud800"', '"\\0"', "class_path", "init_args", "init_args+", "kind", "name", "fit"),
    *("subcommand", "seeds", "ckpt_path", "x" * 300, "é", "a.b", "a[0]", "a[5]", "trainer", "on"),
    *("model", "config", "cli", "class-path", "self", "args", "kwargs", "__class__", "%s"),
    *("model.x", "2020-01-01", "dict_kwargs", "choice", "when"),
)  # fmt: skip
"""Texts that stand where a key belongs."""

_BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\t",
    b"\x85",
    b"\x1b[31m",
    b"\xc3",
)
_TOKEN = re.compile(r"[\w.+/-]+|[^\w\s]")
_PLAIN = re.compile(r"[\w.+/-]+$")

_FEW_ALIASES = 40

Mutation = Callable[[random.Random, str], bytes]


def mutated(chance: random.Random, text: str) -> bytes:
    """Return a text with one mistake in it, sometimes two or three."""
    data = chance.choice(_MUTATIONS)(chance, text)
    while chance.random() < 0.2:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            break
        data = chance.choice(_MUTATIONS)(chance, text)
    return data


def _bytes(chance: random.Random, text: str) -> bytes:
    data = bytearray(text.encode())
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(3):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                data[at:at] = chance.choice(_BYTES)
            case _:
                del data[at : at + chance.randrange(1, 20)]
    return bytes(data)


def _encoding(chance: random.Random, text: str) -> bytes:
    return chance.choice(
        (
            lambda: text.replace("\n", "\r\n").encode(),
            lambda: text.encode("utf-16"),
            lambda: text.encode("utf-8-sig"),
            text[: chance.randrange(len(text) + 1)].encode,
            lambda: text.replace("\n", chance.choice(("\r", "\x85", "\u2028", ""))).encode(),
            lambda: b"",
        )
    )()


def _token(chance: random.Random, text: str) -> bytes:
    found = list(_TOKEN.finditer(text))
    if not found:
        return chance.choice(SCALARS).encode()
    match = chance.choice(found)
    new = chance.choice((*SCALARS, *KEYS, _TOKEN.findall(text)[0], match[0][::-1]))
    return (text[: match.start()] + new + text[match.end() :]).encode()


def _typo(chance: random.Random, text: str) -> bytes:
    """Misspell a word, as fingers do."""
    words = [match for match in _TOKEN.finditer(text) if len(match[0]) > 3]
    if not words:
        return text.encode()
    match = chance.choice(words)
    at = chance.randrange(match.start(), match.end())
    new = chance.choice(("", text[at] * 2, chance.choice("abcxyz0189._-"), text[at].swapcase()))
    return (text[:at] + new + text[at + 1 :]).encode()


def _value(chance: random.Random, text: str) -> bytes:
    """Put something else behind a colon, a tag or an anchor in front of what is there."""
    places = [match.end() for match in re.finditer(r": |- |\[|, ", text)]
    if not places:
        return text.encode()
    at = chance.choice(places)
    end = next((match.start() for match in re.finditer(r"[,\]}\n]", text[at:])), 0) + at
    new = chance.choice(SCALARS)
    if chance.random() < 0.3:
        tag = chance.choice(
            ("!!int ", "!!str ", "!!float ", "!!map ", "!x ", "&w ", "*w ", "[", "{")
        )
        return (text[:at] + tag + text[at:]).encode()
    return (text[:at] + new + text[end:]).encode()


def _lines(chance: random.Random, text: str) -> bytes:
    lines = text.splitlines(keepends=True) or [""]
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = " " * chance.randrange(1, 4) + lines[at]
        case 4:
            lines[at] = lines[at][chance.randrange(1, 3) :]
        case _:
            lines.insert(at, f"{chance.choice(KEYS)}: {chance.choice(SCALARS)}\n")
    return "".join(lines).encode()


def _structure(chance: random.Random, text: str) -> bytes:
    """Change the tree that a text describes: values, keys, types and places."""
    if text.count("*") > _FEW_ALIASES:  # a bomb would go off here
        return _lines(chance, text)
    try:
        tree = yaml.safe_load(text)
    except Exception:  # noqa: BLE001 - whatever PyYAML makes of a mistake
        return _lines(chance, text)
    places = list(_places(tree)) if len(text) < 50_000 else []
    if not places:
        return _token(chance, text)
    node, key = chance.choice(places)
    other, other_key = chance.choice(places)
    value = node[key]
    match chance.randrange(9):
        case 0:
            del node[key]
        case 1:
            node[key] = other[other_key]
        case 2:
            node[key], other[other_key] = other[other_key], node[key]
        case 3:
            node[key] = chance.choice((str(value), [value], {"a": value}, {str(value)[:50]: value}))
        case 4 if isinstance(node, dict):
            node[chance.choice(KEYS)] = value
        case 5 if isinstance(node, dict):
            node[
                chance.choice((f"{key}x", f" {key}", f"{key}+", str(key)[1:], str(key).upper()))
            ] = node.pop(key)
        case 6 if isinstance(node, list):
            node.extend([value] * chance.choice((1, 3, 2_000)))
        case 7:
            node[key] = chance.choice(
                (None, True, 3, -1, 0.5, "x", [], {}, [[]], float("nan"), 10**30)
            )
        case _:
            node[key] = _Written(chance.choice(SCALARS))
    return _dumped(chance, tree)


class _Written(str):
    """A text that is written as it is, not as a value."""


def _dumped(chance: random.Random, tree: Any) -> bytes:
    marks: dict[str, str] = {}

    def marked(node: Any, depth: int = 0) -> Any:
        if depth > 30:
            return None
        if isinstance(node, _Written):
            mark = f"mark{len(marks)}mark"
            marks[mark] = str(node)
            return mark
        if isinstance(node, dict):
            return {key: marked(item, depth + 1) for key, item in node.items()}
        if isinstance(node, list):
            return [marked(item, depth + 1) for item in node]
        return node

    try:
        text = yaml.safe_dump(marked(tree), sort_keys=False, width=chance.choice((60, 1_000)))
    except yaml.YAMLError:
        text = repr(tree)
    for mark, content in marks.items():
        text = text.replace(mark, content)
    return text.encode(errors="surrogatepass")


def _places(node: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    if depth > 30:
        return
    if isinstance(node, dict):
        for key, value in node.items():
            yield node, key
            yield from _places(value, depth + 1)
    elif isinstance(node, list):
        for index, value in enumerate(node[:50]):
            yield node, index
            yield from _places(value, depth + 1)


_MUTATIONS: tuple[Mutation, ...] = (
    _bytes, _encoding, _token, _token, _typo, _typo, _value, _value, _lines,
    _structure, _structure, _structure,
)  # fmt: skip


SEEDS = (
    "1",
    "1,2",
    "99999999999",
    "1,01",
    "²",
    "\u0661",
    "-1",
    "1e3",
    "0x1",
    ",",
    "1,,2",
    "9" * 5_000,
)
NAMES = ("toy-ladder", "x" * 300, "../x", "a/../b", "é", "\ud800", "a/1", "/", "toy-search/0")


def words(chance: random.Random, study: str) -> list[str]:
    """Return the words of a command about a study, some of them mistaken."""
    anything = (*SCALARS[:60], *SEEDS, *NAMES, "a,b", "=", "a=b", "-", "--", "\ud800", "a\nb")
    options = {
        "--set": lambda: f"{chance.choice(('trainer.max_epochs', *KEYS, *SCALARS))}="
        f"{chance.choice(SCALARS)}",
        "--profile": lambda: chance.choice((*anything, "cpu")),
        "--storage": lambda: chance.choice(
            (*anything, "sqlite:///" + "x" * 300, "sqlite:///\0", "sqlite:///", "sqlite:///.",
             "postgresql://", "sqlite:///configs/toy.yaml", "sqlite:////dev/null", "mysql://x")
        ),
        "--workers": lambda: chance.choice(anything),
        "--threads": lambda: chance.choice(anything),
    }  # fmt: skip
    by_command: dict[str, dict[str, Callable[[], str]]] = {
        "replay": {
            **options,
            "--arms": lambda: chance.choice((*anything, "wide", "wide,wide")),
            "--seeds": lambda: chance.choice(SEEDS),
            "--allow": lambda: chance.choice((*anything, "same-config")),
            "--allow-import": lambda: chance.choice(anything),
        },
        "search": {
            **options,
            "--trials": lambda: chance.choice((*anything, "3")),
            "--timeout": lambda: chance.choice((*anything, "3h", "1h30")),
            "--results": lambda: chance.choice((*anything, "configs/toy.yaml", "/dev/null/x")),
        },
        "status": {"--storage": options["--storage"]},
        "report": {"--storage": options["--storage"]},
        "freeze": {"--as": lambda: chance.choice(anything), "--storage": options["--storage"]},
    }
    command = chance.choice((*by_command, "replay", "replay", "search", "search"))
    named = study if chance.random() < 0.6 else chance.choice(anything)
    given = by_command[command]
    chosen = chance.sample(sorted(given), k=min(len(given), chance.choice((0, 1, 1, 2))))
    dry = ["--dry-run"] if command == "replay" else []
    typed = [command, named, *dry, *(f"{name}={given[name]()}" for name in chosen)]
    return [word.replace("\0", "") for word in typed]  # which no shell can pass on
