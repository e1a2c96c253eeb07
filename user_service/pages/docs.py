"""The API's description at /docs, with every script from this server and none from a CDN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import swagger_ui_bundle
from litestar import MediaType, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, OAuthFlow, OAuthFlows, SecurityScheme, Tag

from user_service.web.exchange import AnyRequest

ASSETS = Path(swagger_ui_bundle.swagger_ui_path)
SERVED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
TAGS = (
    "Registration",
    "Login",
    "Sessions",
    "Recovery",
    "Profile",
    "Tokens",
    "Clerk",
    "Admin",
    "Health",
)
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="icon" href="/docs/assets/favicon-32x32.png">
  <link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
  <div id="api"></div>
  <script src="/docs/assets/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""
# The packaged Swagger UI reads OpenAPI 3.0 only; what we describe is written alike in both.
START = """
const description = await (await fetch("/docs/openapi.json")).text();
const spec = JSON.parse(description, (_, value) =>
  Array.isArray(value?.examples) ? {...value, example: value.examples[0]} : value);
SwaggerUIBundle({
  spec: {...spec, openapi: "3.0.3"},
  dom_id: "#api",
  deepLinking: true,
  tryItOutEnabled: true,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)


class SwaggerPage(OpenAPIRenderPlugin):
    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        return PAGE.format(title=openapi_schema["info"]["title"]).encode()


@get("/docs/start.js", include_in_schema=False, sync_to_thread=False, cache_control=None)
def start_script() -> Response[str]:
    return Response(f"(async () => {{{START}}})();", media_type="text/javascript")


@get("/docs/assets/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(name: str) -> Response[bytes]:
    media_type = SERVED.get(name)
    if media_type is None:
        raise NotFoundException
    headers = {"cache-control": "public, max-age=86400"}
    return Response((ASSETS / name).read_bytes(), media_type=media_type, headers=headers)


def description(product: str, version: str) -> OpenAPIConfig:
    """The OpenAPI file at /docs/openapi.json, and the page that shows it."""
    return OpenAPIConfig(
        title=f"{product} API",
        version=version,
        description="Register with a one-time code by mail, log in for an access token.",
        path="/docs",
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            response_headers={"content-security-policy": POLICY},
        ),
        render_plugins=[SwaggerPage(path="/", media_type=MediaType.HTML)],
        tags=[Tag(name) for name in TAGS],
        components=Components(
            security_schemes={
                "access_token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                "password": SecurityScheme(
                    type="oauth2",
                    description="For our own pages only: leave client_id and client_secret empty.",
                    flows=OAuthFlows(password=OAuthFlow(token_url="/token", scopes={})),  # noqa: S106
                ),
                "client": SecurityScheme(
                    type="http",
                    scheme="basic",
                    description="What `user_service clients add` printed.",
                ),
            }
        ),
    )
