//! The terminal: results on standard output, remarks on standard error. A reader that has gone away ends the program
//! quietly, never with a panic.

use crate::failure::Failure;
use std::io::Write;

/// A line of result.
pub(crate) fn line(text: impl AsRef<str>) {
    bytes(&mut std::io::stdout(), format!("{}\n", text.as_ref()).as_bytes());
}

/// A value as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(format!("showing the result as JSON failed: {error}")))?;
    line(text);
    Ok(())
}

/// A remark for the person.
pub(crate) fn remark(text: impl AsRef<str>) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "roadstead: {}", text.as_ref());
}

/// Output of a command, as it is.
pub(crate) fn bytes(to: &mut impl Write, content: &[u8]) {
    if to.write_all(content).and_then(|()| to.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Rows below a head, in columns as wide as they must be.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let draw = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![draw(head.to_vec())];
    lines.extend(rows.iter().map(|row| draw(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// `text` without anything that could steer a terminal.
pub(crate) fn harmless(text: &str) -> String {
    let show = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["session-1".to_owned(), "RUNNING".to_owned()], ["s".to_owned(), String::new()]];
        assert_eq!(table(["ID", "STATUS"], &rows), "ID         STATUS\nsession-1  RUNNING\ns");
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(harmless("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}
