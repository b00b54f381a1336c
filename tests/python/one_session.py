"""One vendor's SDK at work on a session that others use at the same time.

Usage: one_session.py agentbay|agb. Standard input has a JSON array per line, a call and its arguments; standard output
answers each with {"is": value} or {"failed": words}.
"""

import json
import os
import sys

# The SDKs print to standard output.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Refused(Exception):
    pass


def done(result):
    if not result.success:
        raise Refused(result.error_message)
    return result


class AgentBay:
    def __init__(self):
        import agentbay

        self.client = agentbay.AgentBay()
        self.params = agentbay.CreateSessionParams

    def create(self, labels):
        self.session = done(self.client.create(self.params(image_id="linux_latest", labels=labels))).session
        return self.session.session_id

    def open(self, session_id):
        self.session = done(self.client.get(session_id)).session

    def write(self, path, text):
        done(self.session.file_system.write_file(path, text))

    def read(self, path):
        return done(self.session.file_system.read_file(path)).content

    def run(self, command):
        return done(self.session.command.execute_command(command, timeout_ms=20000)).output

    def set_labels(self, labels):
        done(self.session.set_labels(labels))

    def labels(self):
        return done(self.session.get_labels()).data

    def find(self, labels):
        return [entry if isinstance(entry, str) else entry["sessionId"] for entry in done(self.client.list(labels=labels)).session_ids]

    def delete(self):
        done(self.client.delete(self.session))


class Agb(AgentBay):
    def __init__(self):
        import agb

        self.client = agb.AGB()
        self.params = agb.CreateSessionParams

    def write(self, path, text):
        done(self.session.file.write(path, text))

    def read(self, path):
        return done(self.session.file.read(path)).content

    def run(self, command):
        return done(self.session.command.execute(command, timeout_ms=20000)).output


def main():
    sdk = {"agentbay": AgentBay, "agb": Agb}[sys.argv[1]]()
    for line in sys.stdin:
        name, *args = json.loads(line)
        try:
            answer = {"is": getattr(sdk, name)(*args)}
        except Exception as error:
            # Some calls raise what others return.
            answer = {"failed": str(error)}
        print(json.dumps(answer), file=ANSWERS, flush=True)


main()
