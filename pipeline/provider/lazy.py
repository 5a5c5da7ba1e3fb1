"""The client of the API and the folder of pictures, each made when it is first needed.

Their imports take longer than a whole pass that has nothing to send and nothing to save.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import TYPE_CHECKING

from pipeline.config import Secret, Settings
from pipeline.core.api.provider import Provider
from pipeline.core.errors import NotSent
from pipeline.core.model import Request, Response
from pipeline.core.pictures.saved_files import Fetched, Kept

if TYPE_CHECKING:
    from pipeline.provider.client import ApiClient
    from pipeline.provider.downloads.media import Media
    from pipeline.provider.input_files import InputFiles


class LazyApiClient:
    """The client of an API, made by the first request. `stack` closes it."""

    def __init__(
        self,
        provider: Provider,
        api_key: Secret | None,
        *,
        base_url: str,
        concurrency: int,
        inputs: InputFiles | None = None,
        stack: AsyncExitStack,
    ) -> None:
        self._provider, self._api_key = provider, api_key
        self._base_url, self._concurrency = base_url, concurrency
        self._inputs, self._stack = inputs, stack
        self._api: ApiClient | None = None

    def open(self) -> None:
        """Make it now. If that fails, the first request raises the reason."""
        with suppress(NotSent):
            self._opened()

    async def submit(self, request: Request, within: float) -> Response:
        """See `client.ApiClient.submit`."""
        return await self._opened().submit(request, within)

    async def uploaded(self, request: Request, within: float) -> Request:
        """See `client.ApiClient.uploaded`."""
        return await self._opened().uploaded(request, within)

    async def ask(self, request: Request, within: float) -> Response:
        """See `client.ApiClient.ask`."""
        return await self._opened().ask(request, within)

    def _opened(self) -> ApiClient:
        if self._api is None:
            try:
                from pipeline.provider.client import ApiClient

                assert self._api_key is not None, "a pass needs the key: load with need_key"
                self._api = ApiClient(
                    self._provider,
                    self._api_key.reveal(),
                    base_url=self._base_url,
                    concurrency=self._concurrency,
                    inputs=self._inputs,
                )
            except Exception as e:
                raise NotSent(f"the client of the API cannot be made: {e}") from e
            self._stack.push_async_exit(self._api)
        return self._api


class LazyMedia:
    """The downloads of a pass and their place, made for the first picture. `stack` closes them."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings, self._stack = settings, stack
        self._media: Media | None = None

    async def check(self) -> None:
        """See `downloads.media.Media.check`."""
        await self._opened().check()

    def fetched(self, url: str, text: str) -> AbstractAsyncContextManager[Fetched]:
        """See `downloads.media.Media.fetched`."""
        return self._opened().fetched(url, text)

    async def reserve(self) -> str:
        """See `downloads.media.Media.reserve`."""
        return await self._opened().reserve()

    async def keep(self, file: Fetched, stem: str, reserved: str) -> Kept:
        """See `downloads.media.Media.keep`."""
        return await self._opened().keep(file, stem, reserved)

    def is_there(self, path: str) -> bool:
        """See `downloads.media.Media.is_there`."""
        return self._opened().is_there(path)

    async def describe(self, file: Fetched | None, entry: Mapping[str, object]) -> None:
        """See `downloads.media.Media.describe`."""
        await self._opened().describe(file, entry)

    def _opened(self) -> Media:
        if self._media is None:
            from pipeline.provider.downloads.places import media_of

            self._media = media_of(self._settings)
            self._stack.push_async_exit(self._media)
        return self._media
