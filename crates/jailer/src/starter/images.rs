//! The images of this host: found by their manifests, mounted when first used.
//!
//! Everything under the images directory was put there by root; a manifest still cannot name a file outside its own
//! directory. Layers are mounted once, read-only, in the starter's own mount namespace.

mod mount;

use mount::Mounted;
pub(crate) use mount::{CHOOSE, LayerKind, MountChoice};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use types::{ImageId, ImageManifest};

/// Longest manifest, bytes.
const MAX_MANIFEST: u64 = 64 * 1024;
/// Most layers; the kernel's overlay takes 500.
const MAX_LAYERS: usize = 64;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    /// There is no such image.
    #[error("no image {0} here; `roadstead image ls` names those that are")]
    Missing(ImageId),
    /// Its files are not right.
    #[error("image {id}: {what}; build it again")]
    Bad {
        /// Which one.
        id: ImageId,
        /// What is not right.
        what: String,
    },
    /// Its layers cannot be mounted.
    #[error("image {id}: mounting {layer}: {source}")]
    Mount {
        /// Which one.
        id: ImageId,
        /// Which layer.
        layer: String,
        /// The cause.
        source: io::Error,
    },
}

/// The images directory and what is mounted of it.
#[derive(Debug)]
pub(crate) struct Images {
    dir: PathBuf,
    mounts: PathBuf,
    choice: MountChoice,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<ImageId, Arc<Image>>,
    generation: u64,
}

/// An image with its layers mounted.
#[derive(Debug)]
pub(crate) struct Image {
    /// What it says of itself.
    pub(crate) manifest: ImageManifest,
    layers: Vec<Mounted>,
    stamps: Vec<Stamp>,
}

/// Tells one build of a file from the next.
type Stamp = (u64, u64, i64, i64, u64);

impl Image {
    /// Where its layers are, lowest first.
    pub(crate) fn layers(&self) -> impl DoubleEndedIterator<Item = &Path> {
        self.layers.iter().map(Mounted::path)
    }

    /// The kinds of its layers, each once.
    pub(crate) fn layer_kinds(&self) -> Vec<LayerKind> {
        let mut kinds: Vec<_> = self.layers.iter().map(Mounted::kind).collect();
        kinds.dedup();
        kinds
    }
}

impl Images {
    /// The images in `dir`, to be mounted under `mounts`.
    pub(crate) fn new(dir: PathBuf, mounts: PathBuf, choice: MountChoice) -> Self {
        Self { dir, mounts, choice, state: Mutex::default() }
    }

    /// The manifests of all images that are whole; what is not is logged and left out.
    pub(crate) fn list(&self) -> Vec<ImageManifest> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<ImageId>().ok());
        let mut manifests = Vec::new();
        for id in ids {
            match self.read_manifest(&id) {
                Ok(manifest) => manifests.push(manifest),
                Err(ImageError::Missing(_)) => {}
                Err(error) => crate::log!("{error}"),
            }
        }
        manifests.sort_by(|one, two| one.id.cmp(&two.id));
        manifests
    }

    /// The image `id`, mounted; anew when its files changed since.
    pub(crate) fn get(&self, id: &ImageId) -> Result<Arc<Image>, ImageError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = state.known.get(id)
            && self.stamps(id, &image.manifest).is_ok_and(|stamps| stamps == image.stamps)
        {
            return Ok(image.clone());
        }
        state.known.remove(id);
        state.generation += 1;
        let manifest = self.read_manifest(id)?;
        let bad = |error| ImageError::Bad { id: id.clone(), what: format!("a layer cannot be read: {error}") };
        let stamps = self.stamps(id, &manifest).map_err(bad)?;
        let mut layers = Vec::new();
        for (index, layer) in manifest.layers.iter().enumerate() {
            let target = self.mounts.join(format!("{id}.{}.{index}", state.generation));
            let mounted = Mounted::new(&self.dir.join(id.as_str()).join(layer), &target, self.choice);
            layers.push(mounted.map_err(|source| ImageError::Mount { id: id.clone(), layer: layer.clone(), source })?);
        }
        let image = Arc::new(Image { manifest, layers, stamps });
        state.known.insert(id.clone(), image.clone());
        Ok(image)
    }

    fn read_manifest(&self, id: &ImageId) -> Result<ImageManifest, ImageError> {
        let bad = |what: String| ImageError::Bad { id: id.clone(), what };
        let mut text = Vec::new();
        match File::open(self.dir.join(id.as_str()).join("manifest.json")) {
            Ok(file) => file.take(MAX_MANIFEST + 1).read_to_end(&mut text).map_err(|error| bad(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ImageError::Missing(id.clone())),
            Err(error) => return Err(bad(format!("manifest.json: {error}"))),
        };
        if text.len() as u64 > MAX_MANIFEST {
            return Err(bad(format!("manifest.json has more than {MAX_MANIFEST} bytes")));
        }
        let manifest: ImageManifest = serde_json::from_slice(&text).map_err(|error| bad(format!("manifest.json: {error}")))?;
        check(id, &manifest).map_err(bad)?;
        Ok(manifest)
    }

    fn stamps(&self, id: &ImageId, manifest: &ImageManifest) -> io::Result<Vec<Stamp>> {
        let dir = self.dir.join(id.as_str());
        let files = manifest.layers.iter().map(String::as_str).chain(["manifest.json"]);
        let stamp = |file| {
            let meta = fs::metadata(dir.join(file))?;
            // A directory's own times change with its entries, which is no new build.
            let times = if meta.is_dir() { (0, 0, 0) } else { (meta.mtime(), meta.mtime_nsec(), meta.size()) };
            Ok((meta.dev(), meta.ino(), times.0, times.1, times.2))
        };
        files.map(stamp).collect()
    }
}

/// Whether a manifest can be that of image `id` on this machine.
fn check(id: &ImageId, manifest: &ImageManifest) -> Result<(), String> {
    if manifest.id != *id {
        return Err(format!("its manifest names another one, {}", manifest.id));
    }
    if manifest.arch != std::env::consts::ARCH {
        return Err(format!("it is for {}, this machine is {}", manifest.arch, std::env::consts::ARCH));
    }
    if manifest.layers.is_empty() || manifest.layers.len() > MAX_LAYERS {
        return Err(format!("it has {} layers; 1 to {MAX_LAYERS} are allowed", manifest.layers.len()));
    }
    let is_one_name = |layer: &&String| !layer.is_empty() && !layer.starts_with('.') && !layer.contains(['/', '\0', ':', ',', '\\']);
    match manifest.layers.iter().find(|layer| !is_one_name(layer)) {
        Some(layer) => Err(format!("layer {layer:?} is not a plain file name")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(id: &str, layers: &[&str]) -> ImageManifest {
        ImageManifest {
            id: id.parse().unwrap(),
            os: "linux".into(),
            arch: std::env::consts::ARCH.into(),
            description: String::new(),
            capabilities: vec![],
            layers: layers.iter().map(ToString::to_string).collect(),
            nested_user_namespaces: false,
            built_at: None,
        }
    }

    #[test]
    fn layers_are_plain_names_in_the_image_directory() {
        let id = "one".parse().unwrap();
        assert_eq!(check(&id, &manifest("one", &["base.erofs", "rootfs"])), Ok(()));
        for bad in ["", "..", "../x", "a/b", ".hidden", "a:b", "a,b"] {
            assert!(check(&id, &manifest("one", &[bad])).is_err(), "{bad}");
        }
        assert!(check(&id, &manifest("one", &[])).is_err());
        assert!(check(&id, &manifest("two", &["base"])).is_err());
    }

    #[test]
    fn broken_images_are_left_out_and_asked_for_they_say_why() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("good", serde_json::to_string(&manifest("good", &["root"])).unwrap()), ("bad", "{".into())] {
            fs::create_dir_all(dir.path().join(name).join("root")).unwrap();
            fs::write(dir.path().join(name).join("manifest.json"), text).unwrap();
        }
        let images = Images::new(dir.path().into(), dir.path().join("mounts"), CHOOSE);
        assert_eq!(images.list().len(), 1);
        assert!(images.get(&"bad".parse().unwrap()).unwrap_err().to_string().contains("manifest.json"));
        assert!(matches!(images.get(&"none".parse().unwrap()), Err(ImageError::Missing(_))));
        let good = images.get(&"good".parse().unwrap()).unwrap();
        assert_eq!(good.layer_kinds(), [LayerKind::Directory]);
        assert_eq!(good.layers().next().unwrap(), dir.path().join("good/root"));
    }
}
