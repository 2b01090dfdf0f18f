from pathlib import Path

from tests.unit.commands.conftest import Run


def test_check_says_what_was_understood_and_nothing_secret(path: Path, run: Run) -> None:
    result = run("check", "--config", str(path))
    assert result.exit_code == 0
    rows = {tuple(line.split(maxsplit=1)) for line in result.stdout.splitlines() if line}
    assert ("registry", "http://127.0.0.1:5001") in rows
    assert ("chart_repository", "http://127.0.0.1:8081/charts, depth dynamic") in rows
    assert ("listen", "proxy [::1]:5000, admin 127.0.0.1:8080") in rows
    assert ("notification", "on, given up after 10 failed attempts of 10 s at most") in rows
    assert "prj/ci" in result.stdout
    assert "https://ci.example.com (Documented, signed)" in result.stdout
    assert "prj/a tag:v*" in result.stdout
    assert "prj/second (off)" in result.stdout
    assert result.stderr == (
        "harbor.yml: harbor_admin_password: accepted, but not in effect in this version\n"
    )
    assert "sekrit" not in result.output
    assert "c2Vrcml0" not in result.output


def test_check_says_that_nobody_hears_of_anything(path: Path, run: Run) -> None:
    path.write_text("hostname: x\nregistry: {url: 'http://r'}\nnotification: {enabled: false}\n")
    result = run("check", "--config", str(path))
    assert "No webhook policies" in result.stdout
    assert "notification       off" in result.stdout


def test_check_shows_every_filter(path: Path, run: Run) -> None:
    more = 'tags: ["v*"]\n        exclude_repositories: [prj/b]\n        exclude_tags: [dev]\n        operators: ["", bob]'
    path.write_text(path.read_text().replace('tags: ["v*"]', more))
    shown = run("check", "--config", str(path)).stdout
    assert "prj/a tag:v* not:prj/b not-tag:dev user:(anonymous) user:bob" in shown
