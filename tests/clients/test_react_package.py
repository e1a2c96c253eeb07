"""What others install of clients/react."""

from __future__ import annotations

import json

from tests.clients.example_site import PACKAGE


def test_the_lock_holds_digests_and_no_registrys_address() -> None:
    packages = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    installed = {name: each for name, each in packages.items() if name}
    assert len(installed) > 50
    assert [name for name, each in installed.items() if "resolved" in each] == []
    assert [name for name, each in installed.items() if "integrity" not in each] == []


def test_the_package_depends_on_react_alone() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert "dependencies" not in manifest
    assert set(manifest["peerDependencies"]) == {"react"}
