"""The pages are correct: commands, flags, status words, exit codes, the map of the package.

No page or file may contain folders of a machine or the place that packages come from.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import typer.main

import pipeline
from pipeline.cli.commands import app
from pipeline.core import errors
from pipeline.core.errors import PromptsheetError
from pipeline.core.statuses import Status
from pipeline.sandbox.settings import SandboxSettings as Switches

ROOT = Path(__file__).resolve().parents[2]
FRONT = (ROOT / "README.md").read_text("utf-8")
PAGES = {path: path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))}
#: The README and all pages behind it.
README = "\n".join([FRONT, *PAGES.values()])
#: Flags that the table of commands leaves out, and those that stand before a command.
EVERYWHERE = {"--help", "--verbose", "--quiet"}
BEFORE_THE_COMMAND = {"--version", "--install-completion", "--show-completion"}
#: Other tools in the README's commands; their flags are not checked.
OTHERS = (
    "docker compose",
    "pip install",
    "pip wheel",
    "pipx ",
    "uvx ",
    "uv tool",
    "ruff ",
    "pytest ",
    "python3 ",
    "sudo ",
    "--ar ",  # Midjourney's, in prompts
)


def test_the_readmes_commands_and_flags_are_those_of_the_program() -> None:
    documented: dict[str, set[str]] = {}
    for row in _table("## All commands"):
        for command, named in _commands_in(row[0]):
            documented.setdefault(command, set()).update(named)
    flags = _flags()

    assert documented.keys() == flags.keys()
    for command, named in documented.items():
        if command == "sandbox":  # has too many flags for a table; the README says so
            assert named <= flags[command]
        else:
            assert (command, named) == (command, flags[command])


def test_the_readme_is_short() -> None:
    assert len(FRONT.splitlines()) <= 150


def test_each_link_between_pages_leads_to_a_file_and_a_heading() -> None:
    pages = {
        ROOT / name: (ROOT / name).read_text("utf-8") for name in ("README.md", "CONTRIBUTING.md")
    } | PAGES
    links = [
        (path, *link.partition("#")[::2])
        for path, text in pages.items()
        for link in re.findall(r"""(?:\]\(|src=")([^)"]+)[)"]""", text)
        if not link.startswith("https:")
    ]
    files = {(path, name): (path.parent / name).resolve() for path, name, _ in links}

    assert [link for link, file in files.items() if not file.is_file()] == []
    assert [
        (path.name, name, heading)
        for path, name, heading in links
        if heading and heading not in _headings(pages[files[path, name] if name else path])
    ] == []
    assert set(files.values()) >= PAGES.keys()


def test_every_page_is_in_the_navigation() -> None:
    """The pages named README.md are the navigation of the site, and of a folder on GitHub."""
    listed = {
        (path.parent / name).resolve()
        for path, text in PAGES.items()
        if path.name == "README.md"
        for name in re.findall(r"(?m)^- \[[^\]]+\]\(([^):#]+)\)", text)
    }

    assert PAGES.keys() - listed == {ROOT / "docs" / "README.md"}


def _headings(text: str) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_command_line_in_the_readme_can_be_typed() -> None:
    flags = _flags()
    lines = [line for line in README.splitlines() if not any(o in line for o in OTHERS)]
    known = set().union(*flags.values(), EVERYWHERE, BEFORE_THE_COMMAND)
    assert set(re.findall(r"--[a-z][a-z-]+", "\n".join(lines))) <= known

    typed = re.findall(r"promptsheet ((?:run|[a-z]+) [^`\n]*|[a-z]+(?=[`\n]))", "\n".join(lines))
    started = [words.split() for words in typed if f"promptsheet {words}" in _code(README)]
    assert started, "the README starts the program somewhere"
    for command, *words in started:
        assert command in flags
        assert {word for word in words if word.startswith("--")} <= flags[command]


def test_no_command_in_the_readme_shows_a_key_to_the_other_users_of_the_machine() -> None:
    # All users can see the arguments of a command, and the variables set in front of it.
    assert re.findall(r".*(?:KEY|TOKEN|SECRET)=\S+ +\S.*", _code(README)) == []


def test_every_status_word_is_explained_in_the_readme() -> None:
    documented = {
        re.sub(r" \d+%$", "", word)
        for row in _table("## What `status` says")
        for word in re.findall(r"`([^`]+)`", row[0])
    }

    assert documented == set(Status)


def test_the_readmes_exit_codes_are_those_of_the_errors() -> None:
    documented = {int(row[0]) for row in _table("# Exit codes")}
    drawn = dict(re.findall(r"(\w+) .*: exit (\d+)", errors.__doc__ or ""))
    kinds = _kinds(PromptsheetError)

    assert documented == {0, 1, 130, *(kind.exit_code for kind in kinds)}
    own = {kind.__name__ for kind in kinds if "exit_code" in vars(kind)}
    assert own - drawn.keys() == {"PromptsheetError"}  # whose code the others inherit
    by_name = {kind.__name__: str(kind.exit_code) for kind in kinds}
    assert {name: by_name[name] for name in drawn} == drawn


def test_the_map_names_every_package_and_every_top_level_module() -> None:
    root = ROOT / "pipeline"
    text = (pipeline.__doc__ or "").split("The packages, from the highest layer down.")[1]
    named = re.findall(r"(?m)^ {4}([a-z_]+(?:, [a-z_]+)*/?)(?: {2,}|$)", text)
    packages = {room for names in named for room in names.split(", ")}

    files = {path.stem for path in root.glob("[a-z]*.py")}
    folders = {f"{path.name}/" for path in root.iterdir() if path.is_dir()} - {"__pycache__/"}
    assert packages == files | folders


def test_every_python_file_says_what_it_is_for() -> None:
    # The first thing after comments is a text in three quotes.
    docstring = re.compile(r'(#.*\n)*"""\S')
    silent = [path for path in _committed("*.py") if not docstring.match(path.read_text("utf-8"))]

    assert silent == []


def test_no_file_names_a_machines_folders_or_a_place_that_packages_come_from() -> None:
    # Assembled here, so that this file does not contain them itself.
    hosts = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "--index" + "-url ")
    folders = ("work", "home", "root", "Users", "workspace")
    place = re.compile("|".join(rf"(?<![\w.~/*-])/{folder}/[\w.]" for folder in folders))

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _committed("*")
        for number, line in enumerate(_lines(path), start=1)
        if place.search(line) or any(host in line for host in hosts)
    ]
    assert found == []


def test_the_product_takes_few_packages_and_each_is_proved_by_a_hash() -> None:
    product, tools = _lock("requirements.lock"), _lock("requirements-dev.lock")

    installed = [name for name, line in product.items() if "== 'win32'" not in line]
    assert len(installed) <= 58
    assert f"installs {len(installed)} packages" in (ROOT / "README.md").read_text("utf-8")
    assert {"openpyxl", "gspread", "cronsim"} <= product.keys()
    assert product.keys().isdisjoint({"mypy", "pytest", "pandas", "playwright"})
    versions = {name: re.findall(r"==\S+", line)[0] for name, line in tools.items()}
    assert all(f"{name}{versions[name]} " in line for name, line in product.items())


def _lock(name: str) -> dict[str, str]:
    """The packages that a lock names, each with its version, condition and hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip())
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    return {block.split("==")[0]: block for block in blocks}


def _flags() -> dict[str, set[str]]:
    """The flags of each command, without --help."""
    group = typer.main.get_command(app)
    commands = getattr(group, "commands", {})
    flags = {}
    for name, command in commands.items():
        # A group, such as `outlets`, has the flags of its commands.
        every = [command, *getattr(command, "commands", {}).values()]
        options = {option for one in every for param in one.params for option in param.opts}
        flags[name] = {option for option in options if option.startswith("--")} - EVERYWHERE
    switches = {f"--{name.replace('_', '-')}" for name in Switches.__dataclass_fields__}
    flags["sandbox"] |= switches | {"--provider", "--host", "--port", "--key", "--seed", "--help"}
    flags["sandbox"] |= {"--print-url"}
    return flags


def _commands_in(cell: str) -> list[tuple[str, set[str]]]:
    """The commands in a cell of the README's table, with their flags."""
    return [
        (usage.split()[0], set(re.findall(r"--[a-z][a-z-]+", usage)))
        for usage in re.findall(r"`([^`]+)`", cell)
    ]


def _table(start: str) -> list[list[str]]:
    """The cells of the first table after this position, without its header."""
    lines = README[README.index(start) :].splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("|"))
    rows: list[list[str]] = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def _code(text: str) -> str:
    """The code of a page: blocks and inline code."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    rest = re.sub(r"```\w*\n.*?```", "", text, flags=re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`]+)`", rest)])


def _kinds(kind: type[PromptsheetError]) -> set[type[PromptsheetError]]:
    return {kind}.union(*(_kinds(one) for one in kind.__subclasses__()))


def _committed(pattern: str) -> list[Path]:
    """The files of the checkout that are, or would be, committed."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", pattern]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True)
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:  # a picture
        return []


def test_git_ignores_what_holds_results_or_keys() -> None:
    ignored = set((ROOT / ".gitignore").read_text("utf-8").splitlines())

    assert {"*.db", "*.db.rescue", "media/", ".env", "*.key", "bot.json"} <= ignored
