//! An event that is encoded already and shared by all who get it.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

/// One encoded event: a JSON array of its name and arguments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Frame(Arc<Inner>);

struct Inner {
    json: String,
    /// The transport's own form of the same bytes, made once for all recipients.
    prepared: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Frame {
    /// Encodes an event with one argument.
    pub(crate) fn event<T: serde::Serialize>(
        name: &str,
        argument: &T,
    ) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(&(name, argument))?;
        Ok(Self(Arc::new(Inner {
            json,
            prepared: OnceLock::new(),
        })))
    }

    /// The array.
    pub(crate) fn json(&self) -> &str {
        &self.0.json
    }

    /// Size of the JSON, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.json.len()
    }

    /// The transport's form, made by `prepare` at the first call. There is one transport, so there
    /// is one form; `None` if it was made as another type.
    pub(crate) fn prepared<T: Send + Sync + 'static>(
        &self,
        prepare: impl FnOnce(&str) -> T,
    ) -> Option<&T> {
        self.0
            .prepared
            .get_or_init(|| Box::new(prepare(&self.0.json)))
            .downcast_ref()
    }
}
