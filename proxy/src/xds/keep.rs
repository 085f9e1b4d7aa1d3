//! The last good configuration on the memory-backed volume: a proxy that restarts in an outage knows what it knew.
//!
//! One file a resource, so that an endpoint that comes or goes rewrites little; written half a second after the first
//! change, so that a rollout does not write every step.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use prost::Message;
use tokio::time::{Instant, sleep_until};

use crate::{files, wire::envoy::service::discovery::v3::Resource};

/// The directory and what is still to be written.
#[derive(Debug)]
pub(crate) struct Keep {
    dir: PathBuf,
    /// `None`: to be removed.
    dirty: HashMap<String, Option<Vec<u8>>>,
    due: Option<Instant>,
}

const DEBOUNCE: Duration = Duration::from_millis(500);
const EXTENSION: &str = "pb";

// === impl Keep ===

impl Keep {
    /// Keeps in `state_dir`.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let dir = state_dir.join("config");
        if let Err(error) = std::fs::create_dir_all(&dir) {
            tracing::warn!(path = %dir.display(), %error, "configuration is not kept for a restart");
        }
        Self { dir, dirty: HashMap::new(), due: None }
    }

    /// What a former life left. Files that cannot be read are passed over.
    pub(crate) fn load(&self) -> Vec<Resource> {
        let Ok(files) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        files
            .flatten()
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
            .filter_map(|path| Resource::decode(std::fs::read(path).ok()?.as_slice()).ok())
            .collect()
    }

    /// Keeps a resource, soon.
    pub(crate) fn put(&mut self, resource: &Resource) {
        self.mark(&resource.name, Some(resource.encode_to_vec()));
    }

    /// Forgets a resource, soon.
    pub(crate) fn remove(&mut self, name: &str) {
        self.mark(name, None);
    }

    fn mark(&mut self, name: &str, content: Option<Vec<u8>>) {
        self.dirty.insert(name.to_owned(), content);
        self.due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
    }

    /// Resolves when there is something to write and it has waited long enough.
    pub(crate) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Writes everything that waits. The volume is memory, so this takes no longer than copying.
    pub(crate) fn flush(&mut self) {
        self.due = None;
        for (name, content) in std::mem::take(&mut self.dirty) {
            let path = self.path(&name);
            let written = match content {
                Some(content) => files::replace(&path, &content),
                None => std::fs::remove_file(&path).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                }),
            };
            if let Err(error) = written {
                tracing::warn!(path = %path.display(), %error, "configuration is not kept for a restart");
                return;
            }
        }
    }

    /// A name's own file: `/` is the only character of resource names that a file's name may not hold.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}.{EXTENSION}", name.replace('/', "_")))
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.flush();
    }
}
