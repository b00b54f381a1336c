//! The one table of tools: what the guest serves and what a listing shows.

pub mod filesystem;
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
    /// What it does, for people and language models.
    pub description: &'static str,
    schema: fn() -> schemars::Schema,
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
    ToolSpec { name, group, capability, description, schema: schema_of::<A> }
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
        assert_eq!(names, ["shell"]);
    }
}
