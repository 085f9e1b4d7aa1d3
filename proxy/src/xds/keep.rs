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

use crate::{files, tls::config::sha256, wire::envoy::service::discovery::v3::Resource};

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
/// Of the names that files have 255 bytes for, with the extension and what is added while one is written.
const LONGEST: usize = 200;

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
            // The others are none the worse for it.
            if let Err(error) = written {
                tracing::warn!(path = %path.display(), %error, "configuration is not kept for a restart");
            }
        }
    }

    /// A name's own file: `/` is the only character of resource names that a file's name may not hold. Nor may it be long, and
    /// the name of a host may be.
    fn path(&self, name: &str) -> PathBuf {
        let mut file = name.replace('/', "_");
        if file.len() > LONGEST {
            let digest = sha256(name.as_bytes());
            file = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        self.dir.join(format!("{file}.{EXTENSION}"))
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: String) -> Resource {
        Resource { name, ..Resource::default() }
    }

    #[tokio::test]
    async fn a_name_too_long_for_a_file_is_kept_and_removed_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let long = |last: char| resource(format!("endpoint/10.0.0.1:80/{}{last}", "a".repeat(252)));
        let mut keep = Keep::new(dir.path());
        for resource in [long('a'), long('b'), resource("address/10.96.0.5:80".to_owned())] {
            keep.put(&resource);
        }
        keep.flush();
        let names = |keep: &Keep| {
            let mut names: Vec<_> = keep.load().into_iter().map(|resource| resource.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(&keep), ["address/10.96.0.5:80".to_owned(), long('a').name, long('b').name]);
        keep.remove(&long('a').name);
        keep.flush();
        assert_eq!(names(&keep), ["address/10.96.0.5:80".to_owned(), long('b').name]);
    }

    #[tokio::test]
    async fn what_cannot_be_written_keeps_nothing_else_from_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path());
        // A directory stands where its file would: it can be neither replaced nor removed.
        std::fs::create_dir_all(dir.path().join("config/bad.pb/full")).unwrap();
        for round in 0..20 {
            keep.put(&resource("bad".to_owned()));
            let name = format!("good-{round}");
            keep.put(&resource(name.clone()));
            keep.flush();
            assert!(keep.load().iter().any(|resource| resource.name == name), "{name}");
        }
    }
}
