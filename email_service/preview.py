"""Every mail as a file, so that a change to a template can be looked at."""

from __future__ import annotations

from html import escape
from pathlib import Path

from email_service.render import EMAILS, Rendered, Renderer
from email_service.settings import Brand

SAMPLE_FACTS = {
    "code": "042917",
    "minutes": "10",
    "link_token": "ZBy5e1K7dWc0s4nQ2hUvXgTj.mM3rJ8yLq0aFvE5tOeX7iRw2bNcH9kDz6uPsGl4xYQ1",
    "when": "21 November 2026, 05:09 UTC",
    "new_address": "a***@example.org",
    "where": "2001:db8:3c4d:15:a1b2:c3d4:e5f6:7890",
    "device": "Firefox on Linux",
}

INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Mail previews</title>
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }}
  section {{ margin-bottom: 3rem; }}
  .views {{ display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }}
  iframe {{ border: 1px solid #8884; border-radius: 8px; height: 760px; max-width: 100%; }}
  pre {{ border: 1px solid #8884; border-radius: 8px; padding: 1rem; white-space: pre-wrap; }}
</style>
<h1>Mail previews</h1>
{sections}
</html>
"""

SECTION = """<section>
<h2><a href="{name}.html">{name}</a></h2>
<p>Subject: <strong>{subject}</strong></p>
<div class="views">
<iframe src="{name}.html" width="680" title="{name} on a desktop"></iframe>
<iframe src="{name}.html" width="375" title="{name} on a phone"></iframe>
<pre>{text}</pre>
</div>
</section>
"""


def write_previews(brand: Brand, out: Path) -> Path:
    """Write each mail and an index page into `out`; returns the index page's path."""
    out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(brand)
    sections = []
    for email, purpose in EMAILS:
        name = f"{email}.{purpose}" if purpose else email
        mail = renderer.render(email, purpose, SAMPLE_FACTS)
        (out / f"{name}.html").write_text(mail.html, "utf-8")
        sections.append(_section(name, mail))
    index = out / "index.html"
    index.write_text(INDEX.format(sections="".join(sections)), "utf-8")
    return index


def _section(name: str, mail: Rendered) -> str:
    return SECTION.format(name=name, subject=escape(mail.subject), text=escape(mail.text))
