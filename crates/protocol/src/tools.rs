//! The one table of tools: what the guest serves and what a listing shows.

pub mod code;
pub mod environment;
pub mod filesystem;
pub mod metrics;
pub mod pty;
pub mod shell;

use schemars::JsonSchema;
use types::Capability;

/// One tool as it stands in the table.
#[derive(Clone, Copy)]
pub struct ToolSpec {
    /// Its MCP name.
    pub name: &'static str,
    /// The group under which foreign SDKs know it (their "server" name).
    pub group: &'static str,
    /// What an image must be able to do to have it.
    pub capability: Capability,
    /// Who answers it.
    pub place: Place,
    /// What it does, for people and language models.
    pub description: &'static str,
    schema: fn() -> schemars::Schema,
}

/// Who answers a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The guest, inside the sandbox.
    Guest,
    /// The host, because only it knows.
    Host,
}

impl ToolSpec {
    /// The JSON Schema of its arguments.
    pub fn input_schema(&self) -> serde_json::Value {
        let mut schema = (self.schema)().to_value();
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            object.remove("title");
        }
        schema
    }
}

impl std::fmt::Debug for ToolSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolSpec").field("name", &self.name).field("group", &self.group).finish_non_exhaustive()
    }
}

/// Group name of the shell tool.
pub const SHELL_GROUP: &str = "wuying_shell";
/// Group name of the file tools.
pub const FILESYSTEM_GROUP: &str = "wuying_filesystem";
/// Group name of the code tool.
pub const CODE_GROUP: &str = "wuying_codespace";
/// Group name of tools about the session as a whole.
pub const SYSTEM_GROUP: &str = "wuying_system";
/// Group name of the terminal tools.
pub const PTY_GROUP: &str = "PTY_SERVER";

/// Every tool this generation knows, in listing order.
pub const TOOLS: &[ToolSpec] = &[
    tool::<shell::ShellArgs>(
        shell::SHELL,
        SHELL_GROUP,
        Capability::Shell,
        "Run a command line with `sh -c` and return its output and exit code. A time-out kills everything the command started.",
    ),
    file::<filesystem::ReadFileArgs>(filesystem::READ_FILE, "Read a file, or a byte range of it, as text or as base64."),
    file::<filesystem::WriteFileArgs>(filesystem::WRITE_FILE, "Write or append to a file; missing parent directories are made."),
    file::<filesystem::EditFileArgs>(
        filesystem::EDIT_FILE,
        "Replace exact pieces of text in a file; returns a unified diff. A dry run changes nothing.",
    ),
    file::<filesystem::PathArgs>(filesystem::CREATE_DIRECTORY, "Make a directory and its missing parents."),
    file::<filesystem::PathArgs>(filesystem::DELETE_FILE, "Delete a file, a symbolic link or a directory with its content."),
    file::<filesystem::PathArgs>(filesystem::GET_FILE_INFO, "Size, type, times, permissions and owner of a file."),
    file::<filesystem::PathArgs>(filesystem::LIST_DIRECTORY, "The entries of a directory."),
    file::<filesystem::MoveFileArgs>(filesystem::MOVE_FILE, "Move or rename a file or directory; an existing destination is refused."),
    file::<filesystem::ReadMultipleFilesArgs>(
        filesystem::READ_MULTIPLE_FILES,
        "Read several files at once; a file that cannot be read does not fail the others.",
    ),
    file::<filesystem::SearchFilesArgs>(filesystem::SEARCH_FILES, "Find files below a directory by a wildcard pattern on their names."),
    file::<filesystem::PathArgs>(
        filesystem::GET_FILE_CHANGE,
        "What changed below a path since the previous call for that path; the first call sets the baseline.",
    ),
    tool::<code::RunCodeArgs>(
        code::RUN_CODE,
        CODE_GROUP,
        Capability::Code,
        "Run code in Python, JavaScript, R or Java. State is kept between calls, per language. A time-out interrupts the code and keeps the state.",
    ),
    tool::<environment::SetEnvArgs>(
        environment::SET_ENV,
        SYSTEM_GROUP,
        Capability::Shell,
        "Set environment variables for every later command, terminal and piece of code.",
    ),
    tool::<environment::GetEnvArgs>(environment::GET_ENV, SYSTEM_GROUP, Capability::Shell, "The environment variables that commands see."),
    ToolSpec {
        place: Place::Host,
        ..tool::<metrics::NoArgs>(
            metrics::GET_METRICS,
            SYSTEM_GROUP,
            Capability::Shell,
            "CPU, memory, disk and network use of the session.",
        )
    },
    tool::<metrics::NoArgs>(pty::PTY_LIST, PTY_GROUP, Capability::Shell, "The ids of the terminals that live."),
    tool::<pty::PtyKillArgs>(pty::PTY_KILL, PTY_GROUP, Capability::Shell, "End a terminal and everything it started."),
];

/// The table's entry for `name`.
pub fn find(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// The tools that an image with these capabilities has.
pub fn available(capabilities: &[Capability]) -> impl Iterator<Item = &'static ToolSpec> {
    TOOLS.iter().filter(|tool| capabilities.contains(&tool.capability))
}

const fn tool<A: JsonSchema>(name: &'static str, group: &'static str, capability: Capability, description: &'static str) -> ToolSpec {
    ToolSpec { name, group, capability, place: Place::Guest, description, schema: schema_of::<A> }
}

const fn file<A: JsonSchema>(name: &'static str, description: &'static str) -> ToolSpec {
    tool::<A>(name, FILESYSTEM_GROUP, Capability::Filesystem, description)
}

fn schema_of<A: JsonSchema>() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<A>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_schemas_are_objects() {
        let mut names: Vec<_> = TOOLS.iter().map(|tool| tool.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for tool in TOOLS {
            assert_eq!(tool.input_schema()["type"], "object", "{}", tool.name);
        }
    }

    #[test]
    fn an_image_lists_only_what_it_can_do() {
        let names: Vec<_> = available(&[Capability::Shell]).map(|tool| tool.name).collect();
        assert_eq!(names, ["shell", "set_env", "get_env", "get_metrics", "pty_list", "pty_kill"]);
    }
}
