"""A Litestar service that knows who calls."""

from litestar import Litestar, get
from litestar.types import Scope

from gatepost_client import GatepostMiddleware, caller_of
from gatepost_client.environment import from_environment


@get("/me")
async def me(scope: Scope) -> dict[str, str]:
    return {"user_id": str(caller_of(scope).user_id)}


app = GatepostMiddleware(Litestar([me]), from_environment())
