//! Every tool that some release of the SDKs calls, and what a session needs to have it. COMPATIBILITY.md shows this table.

/// Tools that need the same.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// What they are about, for COMPATIBILITY.md.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the table in COMPATIBILITY.md, which a test compares"))]
    title: &'static str,
    need: Need,
    names: &'static [&'static str],
}

/// What a session needs to have a tool.
#[derive(Debug, Clone, Copy)]
enum Need {
    /// Nothing: every image has it.
    Nothing,
    /// An image of this kind; the sentence goes on after "needs".
    Image(&'static str),
    /// Something that no image brings.
    Absent(&'static str),
}

const CODE: Need = Need::Image("a session made from an image with code kernels (code_latest)");
const DESKTOP: Need = Need::Image("a session made from an image with a desktop (such as windows_latest), which is not built yet");
const MOBILE: Need = Need::Image("a session made from an image with Android (mobile_latest), which is not built yet");
const BROWSER: Need = Need::Image("a session made from an image with a browser (browser_latest), which is not built yet");
const MODEL: Need = Need::Absent("a language model, which this server does not have");
const OSS: Need = Need::Absent("object storage, which this server does not have");

/// The tools. A tool that this server has is described by the protocol's own table.
const GROUPS: &[Group] = &[
    Group { title: "commands", need: Need::Nothing, names: &["shell"] },
    Group {
        title: "files",
        need: Need::Nothing,
        names: &[
            "read_file",
            "write_file",
            "edit_file",
            "create_directory",
            "delete_file",
            "get_file_info",
            "list_directory",
            "move_file",
            "read_multiple_files",
            "search_files",
            "get_file_change",
        ],
    },
    Group { title: "environment, metrics", need: Need::Nothing, names: &["set_env", "get_env", "get_metrics"] },
    Group { title: "code", need: CODE, names: &["run_code"] },
    Group {
        title: "mouse, keyboard, screen",
        need: DESKTOP,
        names: &[
            "click_mouse",
            "move_mouse",
            "drag_mouse",
            "scroll",
            "get_cursor_position",
            "input_text",
            "press_keys",
            "release_keys",
            "get_screen_size",
            "system_screenshot",
            "screenshot",
        ],
    },
    Group {
        title: "windows, applications",
        need: DESKTOP,
        names: &[
            "list_root_windows",
            "get_active_window",
            "activate_window",
            "close_window",
            "maximize_window",
            "minimize_window",
            "restore_window",
            "fullscreen_window",
            "resize_window",
            "focus_mode",
            "get_installed_apps",
            "start_app",
            "list_visible_apps",
            "stop_app_by_pname",
            "stop_app_by_pid",
            "stop_app_by_cmd",
        ],
    },
    Group {
        title: "mobile",
        need: MOBILE,
        names: &["tap", "swipe", "send_key", "click", "get_clickable_ui_elements", "get_all_ui_elements", "long_screenshot"],
    },
    Group { title: "browser", need: BROWSER, names: &["stopChrome", "page_use_navigate", "page_use_screenshot", "page_use_close_session"] },
    Group {
        title: "tasks for a language model",
        need: MODEL,
        names: &[
            "page_use_login",
            "page_use_act",
            "page_use_act_async",
            "page_use_get_act_result",
            "page_use_observe",
            "page_use_observe_async",
            "page_use_get_observe_result",
            "page_use_extract",
            "page_use_extract_async",
            "page_use_get_extract_result",
            "flux_execute_task",
            "flux_get_task_status",
            "flux_terminate_task",
            "browser_use_initialize",
            "browser_use_execute_task",
            "browser_use_get_task_status",
            "browser_use_terminate_task",
            "execute_task",
            "get_task_status",
            "terminate_task",
        ],
    },
    Group {
        title: "object storage",
        need: OSS,
        names: &["oss_env_init", "oss_upload", "oss_download", "oss_upload_annon", "oss_download_annon"],
    },
];

/// What a session needs to have tool `name`, as a sentence goes on after "needs"; none for a tool that every image has
/// and for a name that no SDK knows.
pub(super) fn need(name: &str) -> Option<&'static str> {
    match GROUPS.iter().find(|group| group.names.contains(&name))?.need {
        Need::Nothing => None,
        Need::Image(what) | Need::Absent(what) => Some(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::tools;

    #[test]
    fn the_document_shows_this_table() {
        let rows = GROUPS.iter().map(|Group { title, need, names }| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let state = match need {
                Need::Nothing => "every image".to_owned(),
                Need::Image(what) | Need::Absent(what) => format!("needs {what}"),
            };
            format!("| {title} | {} | {state} |", names.join(", "))
        });
        let table = rows.collect::<Vec<_>>().join("\n");
        crate::testing::check_document(&format!("| group | tools | where |\n|---|---|---|\n{table}\n"));
    }

    #[test]
    fn every_name_stands_once_and_the_protocol_has_what_is_said_to_be_there() {
        let mut names: Vec<_> = GROUPS.iter().flat_map(|group| group.names).copied().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), GROUPS.iter().map(|group| group.names.len()).sum::<usize>()), (79, 79));
        let linux = [types::Capability::Shell, types::Capability::Filesystem];
        for name in names {
            let everywhere = tools::available(&linux).any(|tool| tool.name == name);
            assert_eq!(everywhere, need(name).is_none(), "{name}");
            assert_eq!(tools::find(name).is_some(), everywhere || name == "run_code", "{name}");
        }
    }
}
