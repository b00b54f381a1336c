"""The package `agbcloud-sdk`. It has a synchronous client alone."""

import agb
from agb.config import Config
from sdk import Renamed, Sdk, aw

# What 0.9 renamed, by the name from before.
FILES = {
    "create_directory": "mkdir",
    "delete_file": "remove",
    "download_file": "download",
    "edit_file": "edit",
    "get_file_info": "info",
    "get_file_transfer_context_path": "transfer_path",
    "list_directory": "list",
    "move_file": "move",
    "read_file": "read",
    "read_multiple_files": "read_batch",
    "search_files": "search",
    "upload_file": "upload",
    "watch_directory": "watch_dir",
    "write_file": "write",
}


class Agb(Sdk):
    name = "agb"
    package = "agbcloud-sdk"
    root = "agb"
    places = (
        "",
        ".session",
        ".session_params",
        ".context",
        ".context_sync",
        ".extension",
        ".api.http_client",
        ".modules.browser",
        ".modules.ws",
    )
    hides = frozenset({"get_link"})

    def client(self, api_key="", endpoint=None, timeout_ms=60000):
        return agb.AGB(api_key, Config(endpoint, timeout_ms) if endpoint else None)

    def files(self, session):
        modern = getattr(session, "file", None)
        return Renamed(modern, FILES) if modern is not None else session.file_system

    def execute(self, session):
        return getattr(session.command, "execute", None) or session.command.execute_command

    def run_code(self, session):
        return getattr(session.code, "run", None) or session.code.run_code

    def params(self, **fields):
        # Most releases demand an image.
        return super().params(**{"image_id": "linux_latest", **fields})

    def simplest(self):
        return (self.params(),)

    async def delete(self, client, session):
        call = getattr(session, "delete", None)
        return await aw(call() if call else client.delete(session))

    def attach(self, client, session_id):
        """A session by its id alone. It knows no direct route, so its calls go to the API."""
        return self.thing("Session")(client, session_id)
