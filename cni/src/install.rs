//! Keeps the plugin on the node: its program where the runtime looks for plugins, and its entry in the network configuration
//! that the runtime uses. Network plugins write theirs again when they start, so the agent looks every second.
//!
//! The plugin stays when the agent ends. Were it taken out, pods of the mesh would start without their rules while an agent is
//! replaced or a node boots; so they wait instead, and nobody else does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use crate::conflist;
use crate::variable;

/// Where things are on this node.
#[derive(Clone, Debug)]
pub struct Places {
    /// Network configurations of the runtime.
    pub configurations: PathBuf,
    /// Programs of plugins.
    pub programs: PathBuf,
    /// Where plugin and agent meet.
    pub socket: PathBuf,
}

/// Puts in place what is not. Says which configuration has the plugin, or what stands in the way.
pub fn keep(places: &Places) -> Result<String, String> {
    keep_program(places)?;
    let path = used_configuration(&places.configurations)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
    if let Some(text) = conflist::with_plugin(&text, &places.socket).map_err(at)? {
        replace(&path, text.as_bytes(), 0o644).map_err(|error| at(error.to_string()))?;
        println!("weft-cni: put into {}", path.display());
    }
    Ok(name)
}

/// Takes the plugin out of every configuration, then its program and the socket away.
pub fn remove(places: &Places) -> Result<(), String> {
    for path in configurations(&places.configurations)? {
        let at = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
        // What cannot be read has no entry of ours: only whole lists get one.
        if let Ok(Some(text)) = conflist::without_plugin(&text) {
            replace(&path, text.as_bytes(), 0o644).map_err(|error| at(error.to_string()))?;
        }
    }
    for path in [places.programs.join(conflist::TYPE), places.socket.clone()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// This very program, where the runtime finds it.
fn keep_program(places: &Places) -> Result<(), String> {
    let target = places.programs.join(conflist::TYPE);
    let at = |error: io::Error| format!("{}: {error}", target.display());
    let own = fs::read("/proc/self/exe").map_err(at)?;
    if fs::read(&target).is_ok_and(|found| found == own) {
        return Ok(());
    }
    replace(&target, &own, 0o755).map_err(at)
}

/// The runtime uses the first by name.
fn used_configuration(folder: &Path) -> Result<PathBuf, String> {
    configurations(folder)?.into_iter().next().ok_or_else(|| {
        format!(
            "{} has no network configuration yet; the cluster's network plugin writes it",
            folder.display()
        )
    })
}

fn configurations(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "conf" || end == "conflist" || end == "json")
    };
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_one).collect();
    paths.sort();
    Ok(paths)
}

/// Writes beside and renames, so that nobody reads half of it. The name beside is none that the runtime looks at.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let beside = path.with_file_name(format!(".weft-cni.{}", process::id()));
    fs::write(&beside, content)
        .and_then(|()| fs::set_permissions(&beside, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| drop(fs::remove_file(&beside)))
}

// === impl Places ===

impl Places {
    /// As the DaemonSet says, or where they usually are.
    pub fn from_env() -> Self {
        Self {
            configurations: variable("WEFT_CNI_CONF_DIR", "/etc/cni/net.d"),
            programs: variable("WEFT_CNI_BIN_DIR", "/opt/cni/bin"),
            socket: variable("WEFT_CNI_SOCKET", "/run/weft-cni/agent.sock"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            configurations: folder.to_owned(),
            programs: folder.to_owned(),
            socket: folder.join("agent.sock"),
        }
    }

    #[test]
    fn the_plugin_comes_back_into_a_configuration_that_was_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        assert!(keep(&places).unwrap_err().contains("no network configuration yet"));
        let list = r#"{"name":"net","plugins":[{"type":"bridge"}]}"#;
        let path = folder.path().join("10-net.conflist");
        for _ in 0..2 {
            fs::write(&path, list).unwrap();
            assert_eq!(keep(&places), Ok("10-net.conflist".to_owned()));
            assert!(fs::read_to_string(&path).unwrap().contains("weft-cni"));
        }
        // A network that comes first from now on.
        fs::write(folder.path().join("05-other.conflist"), list).unwrap();
        assert_eq!(keep(&places), Ok("05-other.conflist".to_owned()));
        assert_eq!(fs::read(folder.path().join("weft-cni")).unwrap(), fs::read("/proc/self/exe").unwrap());

        remove(&places).unwrap();
        for name in ["05-other.conflist", "10-net.conflist"] {
            assert!(!fs::read_to_string(folder.path().join(name)).unwrap().contains("weft-cni"));
        }
        assert!(!folder.path().join("weft-cni").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        remove(&places).unwrap();
    }

    #[test]
    fn a_configuration_that_takes_no_plugin_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("10-net.conf");
        fs::write(&path, r#"{"type":"bridge"}"#).unwrap();
        let why = keep(&places(folder.path())).unwrap_err();
        assert!(why.contains("10-net.conf") && why.contains(".conflist"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"type":"bridge"}"#);
    }
}
