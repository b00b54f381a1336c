//! The images of this host, kept at hand: creating a session must not ask the back end first.

use crate::{ControlConfig, fault, time};
use runtime::Runtime;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use types::{Clock, ErrorCode, Fault, ImageId, ImageManifest, Timestamp};

/// What the back end said last, and by which names clients know it.
#[derive(Debug)]
pub(crate) struct Images {
    runtime: Arc<dyn Runtime>,
    clock: Arc<dyn Clock>,
    aliases: BTreeMap<ImageId, ImageId>,
    recheck: Duration,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    asked_at: Option<Timestamp>,
    images: BTreeMap<ImageId, Arc<ImageManifest>>,
}

impl Images {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, clock: Arc<dyn Clock>, config: &ControlConfig) -> Self {
        let (aliases, recheck) = (config.image_aliases.clone(), config.timings.image_recheck);
        Self { runtime, clock, aliases, recheck, known: RwLock::default() }
    }

    /// Asks the back end anew. A changed manifest is taken for sessions made from now on.
    pub(crate) async fn refresh(&self) -> Result<Vec<ImageManifest>, Fault> {
        let asked_at = Some(self.clock.now());
        let listed = self.runtime.images().await.map_err(|e| fault::runtime("listing images", e))?;
        let images = listed.iter().map(|image| (image.id.clone(), Arc::new(image.clone()))).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { asked_at, images };
        Ok(listed)
    }

    /// The image of this name or alias; the back end is asked only when it is not known, since it may just have been built.
    pub(crate) async fn find(&self, name: &str) -> Result<Arc<ImageManifest>, Fault> {
        let Ok(id) = name.parse::<ImageId>() else { return Err(self.missing(name).await) };
        if let Some(image) = self.get(&self.resolve(id.clone())) {
            return Ok(image);
        }
        self.refresh().await?;
        match self.get(&self.resolve(id)) {
            Some(image) => Ok(image),
            None => Err(self.missing(name).await),
        }
    }

    /// As [`Self::find`], with what the back end said lately.
    pub(crate) async fn recent(&self, name: &str) -> Result<Arc<ImageManifest>, Fault> {
        let asked_at = self.known().asked_at;
        if asked_at.is_none_or(|at| time::between(at, self.clock.now()) >= self.recheck) {
            self.refresh().await?;
        }
        self.find(name).await
    }

    /// The image, if it was there when the back end was asked last.
    pub(crate) fn get(&self, id: &ImageId) -> Option<Arc<ImageManifest>> {
        self.known().images.get(id).cloned()
    }

    /// The image that this name stands for: one that is there, or an alias's, or the name itself.
    ///
    /// One step, so that aliases in a circle lead nowhere.
    pub(crate) fn resolve(&self, name: ImageId) -> ImageId {
        if self.known().images.contains_key(&name) {
            return name;
        }
        self.aliases.get(&name).cloned().unwrap_or(name)
    }

    /// The further names of an image, without those that images have as their own.
    pub(crate) fn aliases(&self, id: &ImageId) -> Vec<ImageId> {
        let known = self.known();
        self.aliases
            .iter()
            .filter(|(alias, image)| *image == id && !known.images.contains_key(*alias))
            .map(|(alias, _)| alias.clone())
            .collect()
    }

    /// The refusal of an image that is not there: it is about to be, or what there is instead.
    pub(crate) async fn missing(&self, name: &str) -> Fault {
        let shown: String = name.chars().take(80).collect();
        let (image, subject) = match name.parse::<ImageId>().map(|id| (self.aliases.get(&id).cloned(), id)) {
            Ok((Some(image), _)) => (Some(image.clone()), format!("image {shown:?} stands for {image}, which")),
            Ok((None, id)) => (Some(id), format!("image {shown:?}")),
            Err(_) => (None, format!("image {shown:?}")),
        };
        if let Some(image) = image
            && self.runtime.images_being_built().await.contains(&image)
        {
            let text =
                format!("{subject} is being built on this host; try again in some minutes (`roadstead image ls` says how far it is)");
            return Fault::new(ErrorCode::Unavailable, text);
        }
        let known = self.known();
        let names: Vec<_> = known.images.keys().map(ImageId::as_str).collect();
        Fault::invalid(if names.is_empty() {
            format!("{subject} is not on this host, nor is any other; build one with `roadstead image build`")
        } else {
            format!("{subject} is not on this host; it has: {}", names.join(", "))
        })
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}
