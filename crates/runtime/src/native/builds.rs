//! What image builds on this host, whoever started them, say of themselves.

use std::path::Path;
use types::ImageId;

/// Where builds say how far they are, for everybody: `ID.building` and `ID.failed`, one line each.
const STATUS_DIR: &str = "/run/roadstead/images";

/// An image that is not there, or not as its recipe says, yet.
#[derive(Debug, PartialEq, Eq)]
pub enum Making {
    /// Being built since this time (RFC 3339), now at this step.
    Running {
        /// When the build began.
        since: String,
        /// What it does now.
        step: String,
    },
    /// The last build failed at this time (RFC 3339); what it said is in the log.
    Failed {
        /// When it gave up.
        at: String,
        /// The file to look into.
        log: String,
    },
}

/// What is being built on this machine, and what failed to be, by image.
pub fn making() -> Vec<(ImageId, Making)> {
    making_in(Path::new(STATUS_DIR), |pid| Path::new("/proc").join(pid).exists())
}

fn making_in(dir: &Path, alive: impl Fn(&str) -> bool) -> Vec<(ImageId, Making)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let (path, line) = (entry.path(), std::fs::read_to_string(entry.path()).ok()?);
            let id: ImageId = path.file_stem()?.to_str()?.parse().ok()?;
            let mut words = line.trim().splitn(3, ' ').map(str::to_owned);
            match path.extension()?.to_str()? {
                // A build that was killed left its line behind.
                "building" => {
                    let (since, pid, step) = (words.next()?, words.next()?, words.next()?);
                    alive(&pid).then_some((id, Making::Running { since, step }))
                }
                "failed" => Some((id, Making::Failed { at: words.next()?, log: words.next()? })),
                _ => None,
            }
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_while_it_runs_and_when_it_failed() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, line: &str, expected: Option<Making>| {
            let file = dir.path().join(name);
            std::fs::write(&file, line).unwrap();
            let found = making_in(dir.path(), |pid| pid == "7");
            std::fs::remove_file(file).unwrap();
            assert_eq!(found, expected.map(|making| ("a_1".parse().unwrap(), making)).into_iter().collect::<Vec<_>>(), "{name}: {line}");
        };
        let running = Making::Running { since: "2026-01-02T03:04:05Z".into(), step: "packing it as erofs".into() };
        check("a_1.building", "2026-01-02T03:04:05Z 7 packing it as erofs\n", Some(running));
        check("a_1.building", "2026-01-02T03:04:05Z 8 packing it as erofs\n", None);
        check("a_1.building", "2026-01-02T03:04:05Z", None);
        let failed = Making::Failed { at: "2026-01-02T03:04:05Z".into(), log: "/var/log/x.log".into() };
        check("a_1.failed", "2026-01-02T03:04:05Z /var/log/x.log\n", Some(failed));
        check("a_1.new", "anything at all", None);
        assert_eq!(making_in(&dir.path().join("absent"), |_| true), []);
    }
}
