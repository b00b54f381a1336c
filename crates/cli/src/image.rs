//! `roadstead image`: what sessions can start from.

use crate::failure::Failure;
use crate::image_build;
use crate::output;
use roadstead_sdk::AgentBay;
use runtime::native::builds::{self, Making};

/// List and build images.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images that the server has, and those that this machine is making.
    Ls,
    /// Build an image from its recipe.
    Build(image_build::BuildArgs),
}

pub(crate) async fn list(client: &AgentBay, json: bool) -> Result<(), Failure> {
    let images = client.native().images().await?;
    if json {
        return output::json(&images);
    }
    let mut rows: Vec<_> = images
        .into_iter()
        .map(|image| {
            let capabilities = image.capabilities.join(",");
            let (platform, aliases) = (format!("{}/{}", image.os, image.arch), image.aliases.join(","));
            [image.id, platform, capabilities, image.built_at.unwrap_or_default(), aliases, image.description]
        })
        .collect();
    rows.extend(builds::making().into_iter().map(|(id, making)| {
        let (state, detail) = match making {
            Making::Running { since, step } => (format!("building since {since}"), format!("({step})")),
            Making::Failed { at, log } => (format!("build failed at {at}"), format!("(log: {log})")),
        };
        [id.to_string(), "-".to_owned(), "-".to_owned(), state, String::new(), detail]
    }));
    output::line(output::table(["ID", "PLATFORM", "CAPABILITIES", "BUILT", "ALIASES", "DESCRIPTION"], &rows));
    Ok(())
}
