"""What `make demo` says at its end."""

import re
import shlex
import subprocess

from factories import PROJECT


def test_make_demo_ends_with_how_to_go_on_in_a_shell_of_your_own():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    [recipe] = re.findall(r"^demo:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    ending = recipe[recipe.index("printf") :].replace("$$", "$").replace("$(C360_HOME)", "/a b")
    told = subprocess.run(
        ["bash", "-c", re.sub(r"\$\((\w+)\)", r"\1", ending)],
        env={"C360_RULES_DIR": "/a b/demo/rules"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    [export] = re.findall(r"export .*", told)
    assert shlex.split(export)[1:] == ["C360_HOME=/a b", "C360_RULES_DIR=/a b/demo/rules"]
    assert "Another night: make demo CUSTOMERS=CUSTOMERS DATE=<a later day>" in told
