"""The demo looks for the stack where its ports say, and says so when nothing is there."""

from __future__ import annotations

import anyio.to_thread
import pytest
from click.testing import CliRunner

from dev_stack.demo.command import demo
from dev_stack.mail_stand_in import MailStandIn
from dev_stack.ports import free_port


def test_demo_follows_port_and_names_the_url_where_nothing_answers() -> None:
    port = str(free_port())
    result = CliRunner(env={"PORT": port}).invoke(demo, ["-n", "1"])
    assert result.exit_code == 1
    assert f"Nothing answers at http://127.0.0.1:{port}. Is `make run` up?" in result.output


@pytest.mark.anyio
async def test_demo_follows_the_port_of_the_mailbox() -> None:
    async with MailStandIn() as something:
        mailbox = str(free_port())
        environment = {"PORT": str(something.port), "MAIL_STAND_IN_PORT": mailbox}
        result = await anyio.to_thread.run_sync(
            lambda: CliRunner(env=environment).invoke(demo, ["-n", "1"])
        )
    assert f"Nothing answers at http://127.0.0.1:{mailbox}. Is `make run` up?" in result.output
