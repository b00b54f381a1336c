//! `roadstead image`: what sessions can start from.

use crate::failure::Failure;
use crate::image_build::{self, Making};
use crate::output;
use roadstead_sdk::AgentBay;

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
            [image.id, format!("{}/{}", image.os, image.arch), capabilities, image.built_at.unwrap_or_default(), image.description]
        })
        .collect();
    rows.extend(image_build::making().into_iter().map(|(id, making)| {
        let (state, detail) = match making {
            Making::Running { since, step } => (format!("building since {since}"), format!("({step})")),
            Making::Failed { at, log } => (format!("build failed at {at}"), format!("(log: {log})")),
        };
        [id, "-".to_owned(), "-".to_owned(), state, detail]
    }));
    output::line(output::table(["ID", "PLATFORM", "CAPABILITIES", "BUILT", "DESCRIPTION"], &rows));
    Ok(())
}
