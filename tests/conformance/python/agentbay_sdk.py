"""The package `wuying-agentbay-sdk`."""

import agentbay
from sdk import Sdk


class AgentBay(Sdk):
    name = "python"
    package = "wuying-agentbay-sdk"
    root = "agentbay"
    places = ("", ".config", ".api.models", ".session_params", ".context", ".context_sync", ".browser.browser", ".browser")

    def client(self, **settings):
        return (agentbay.AgentBay if self.mode == "sync" else agentbay.AsyncAgentBay)(**settings)

    def files(self, session):
        return session.file_system

    def execute(self, session):
        return session.command.execute_command

    def run_code(self, session):
        return session.code.run_code
