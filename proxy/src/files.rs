//! Files of the state directory: private to this user, replaced whole.

use std::{
    fs::{File, OpenOptions, rename},
    io::{Result, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Puts `content` at `path` in one step: a reader, or a restart, finds the old content or the new, never half of it.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let half = path.with_extension("new");
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(content)?;
    rename(&half, path)
}
