//! The images of this host, kept at hand: creating a session must not ask the back end first.

use crate::fault;
use runtime::Runtime;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use types::{Fault, ImageId, ImageManifest};

/// What the back end said last.
#[derive(Debug)]
pub(crate) struct Images {
    runtime: Arc<dyn Runtime>,
    known: RwLock<BTreeMap<ImageId, Arc<ImageManifest>>>,
}

impl Images {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, known: RwLock::default() }
    }

    /// Asks the back end anew. A changed manifest is taken for sessions made from now on.
    pub(crate) async fn refresh(&self) -> Result<Vec<ImageManifest>, Fault> {
        let images = self.runtime.images().await.map_err(|e| fault::runtime("listing images", e))?;
        let known = images.iter().map(|image| (image.id.clone(), Arc::new(image.clone()))).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(images)
    }

    /// The image of this name; the back end is asked only when it is not known, since it may just have been built.
    pub(crate) async fn find(&self, name: &str) -> Result<Arc<ImageManifest>, Fault> {
        let Ok(id) = name.parse::<ImageId>() else { return Err(self.unknown(name)) };
        if let Some(image) = self.get(&id) {
            return Ok(image);
        }
        self.refresh().await?;
        self.get(&id).ok_or_else(|| self.unknown(name))
    }

    /// The image, if it was there when the back end was asked last.
    pub(crate) fn get(&self, id: &ImageId) -> Option<Arc<ImageManifest>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The refusal that lists what there is.
    pub(crate) fn unknown(&self, name: &str) -> Fault {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<_> = known.keys().map(ImageId::as_str).collect();
        let name: String = name.chars().take(80).collect();
        Fault::invalid(if names.is_empty() {
            format!("image {name:?} is not on this host, nor is any other; build one with `roadstead image build`")
        } else {
            format!("image {name:?} is not on this host; it has: {}", names.join(", "))
        })
    }
}
