"""How a caller shows an API key, for the OpenAPI documents: the guards read the headers themselves,
as every interface does."""

from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

_BEARER = HTTPBearer(auto_error=False, description="An API key, where one is asked for.")
_HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same, in a header of its own."
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
Header = Annotated[str | None, Security(_HEADER)]
