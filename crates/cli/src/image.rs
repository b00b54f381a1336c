//! `roadstead image`: what sessions can start from.

use crate::failure::Failure;
use crate::{image_build, output};
use roadstead_sdk::AgentBay;

/// List and build images.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images that the server has.
    Ls,
    /// Build an image from its recipe.
    Build(image_build::BuildArgs),
}

pub(crate) async fn list(client: &AgentBay, json: bool) -> Result<(), Failure> {
    let images = client.native().images().await?;
    if json {
        return output::json(&images);
    }
    let rows = images.into_iter().map(|image| {
        let capabilities = image.capabilities.join(",");
        [image.id, format!("{}/{}", image.os, image.arch), capabilities, image.built_at.unwrap_or_default(), image.description]
    });
    output::line(output::table(["ID", "PLATFORM", "CAPABILITIES", "BUILT", "DESCRIPTION"], &rows.collect::<Vec<_>>()));
    Ok(())
}
