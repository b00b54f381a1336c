//! Where the programs under test are.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The product's programs.
#[derive(Debug, Clone)]
pub struct Bins {
    /// `roadstead`.
    pub roadstead: PathBuf,
    /// `roadstead-starter`.
    pub starter: PathBuf,
    /// `roadstead-guest`.
    pub guest: PathBuf,
    /// `roadstead-egress`.
    pub egress: PathBuf,
    /// Images on this host.
    pub images: PathBuf,
}

impl Bins {
    /// Finds the programs below cargo's target directory (`ROADSTEAD_TARGET_DIR` says another place) and the images in
    /// `ROADSTEAD_IMAGES_DIR`, else in `/var/lib/roadstead/images`.
    pub fn find() -> Result<Self> {
        let target = std::env::var_os("ROADSTEAD_TARGET_DIR").map_or_else(target_dir, |dir| Ok(PathBuf::from(dir)))?;
        let statics = static_dir(&target)?;
        let bins = Self {
            roadstead: target.join("release/roadstead"),
            starter: statics.join("roadstead-starter"),
            guest: statics.join("roadstead-guest"),
            egress: statics.join("roadstead-egress"),
            images: std::env::var_os("ROADSTEAD_IMAGES_DIR").map_or_else(|| "/var/lib/roadstead/images".into(), PathBuf::from),
        };
        for path in [&bins.roadstead, &bins.starter, &bins.guest, &bins.egress] {
            anyhow::ensure!(path.exists(), "{} is missing; `make test` builds it", path.display());
        }
        Ok(bins)
    }
}

/// The target directory this program was built in: `TARGET/release/bench` or `TARGET/release/deps/it-…`.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("asking for the test's own path")?;
    let release = exe.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "release"));
    release.and_then(Path::parent).map(Path::to_owned).with_context(|| format!("{} does not lie in a target directory", exe.display()))
}

/// `TARGET/<triple>/guest`, whatever the triple is.
fn static_dir(target: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(target).with_context(|| format!("listing {}", target.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join("guest")))
        .find(|dir| dir.join("roadstead-starter").exists())
        .with_context(|| format!("no static programs below {}; `make test` builds them", target.display()))
}
