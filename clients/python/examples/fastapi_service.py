"""A FastAPI service that knows who calls."""

from fastapi import FastAPI, Request

from gatepost_client import GatepostMiddleware, caller_of
from gatepost_client.environment import from_environment

app = FastAPI()
app.add_middleware(GatepostMiddleware, gatepost=from_environment())


@app.get("/me")
async def me(request: Request) -> dict[str, str]:
    return {"user_id": str(caller_of(request.scope).user_id)}
