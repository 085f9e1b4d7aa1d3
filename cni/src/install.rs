//! Keeps the plugin on the node: its program where the runtime looks for plugins, and its entry in the network configuration
//! that the runtime uses. Network plugins write theirs again when they start, so the agent looks every second.
//!
//! The plugin stays when the agent ends. Were it taken out, pods of the mesh would start without their rules while an agent is
//! replaced or a node boots; so they wait instead, and nobody else does.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::{
    self,
    fs::{MetadataExt, PermissionsExt},
};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;

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

/// The configuration that has the plugin.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its file.
    pub name: String,
    /// It did not have it before.
    pub was_put: bool,
}

/// Puts in place what is not. Says which configuration has the plugin, or what stands in the way.
pub fn keep(places: &Places) -> Result<Kept, String> {
    keep_program(places)?;
    let path = used_configuration(&places.configurations)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
    let Some(changed) = conflist::with_plugin(&text, &places.socket).map_err(at)? else {
        return Ok(Kept { name, was_put: false });
    };
    replace_text(&path, &text, &changed).map_err(|error| at(error.to_string()))?;
    Ok(Kept { name, was_put: true })
}

/// Takes the plugin out of every configuration, and the socket away. Its program stays: runtimes that remember with which plugins they made
/// the network of a pod run them once more when the pod goes, and could not take that network down without it.
pub fn remove(places: &Places) -> Result<(), String> {
    for path in configurations(&places.configurations)? {
        let at = |why: String| format!("{}: {why}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| at(error.to_string()))?;
        // What cannot be read has no entry of ours: only whole lists get one.
        if let Ok(Some(changed)) = conflist::without_plugin(&text) {
            replace_text(&path, &text, &changed).map_err(|error| at(error.to_string()))?;
        }
    }
    match fs::remove_file(&places.socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", places.socket.display()))
        }
        _ => Ok(()),
    }
}

/// Fails while a configuration has the plugin.
pub fn check_removed(places: &Places) -> Result<(), String> {
    for path in configurations(&places.configurations)? {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if matches!(conflist::without_plugin(&text), Ok(Some(_))) {
            return Err(format!("{} has the plugin", path.display()));
        }
    }
    Ok(())
}

/// This very program, where the runtime finds it.
fn keep_program(places: &Places) -> Result<(), String> {
    let target = places.programs.join(conflist::TYPE);
    let at = |error: io::Error| format!("{}: {error}", target.display());
    let own = own_program().map_err(at)?;
    if fs::read(&target).is_ok_and(|found| found == own) {
        return Ok(());
    }
    replace(&target, own, None).map_err(at)
}

/// Read once: it does not change while it runs.
fn own_program() -> io::Result<&'static [u8]> {
    static OWN: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Ok(own);
    }
    let own = fs::read("/proc/self/exe")?;
    Ok(OWN.get_or_init(|| own))
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

/// Replaces a configuration that is still what it was when it was read; otherwise somebody is writing it, and a second later is soon enough.
fn replace_text(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if fs::read_to_string(path)? != before {
        return Err(io::Error::other("it was changed at the same moment"));
    }
    replace(path, after.as_bytes(), Some(&metadata))
}

/// Writes beside and renames, so that nobody reads half of it, also after the power failed. The name beside is none that the runtime looks
/// at. What is there keeps its owner and mode.
fn replace(path: &Path, content: &[u8], former: Option<&fs::Metadata>) -> io::Result<()> {
    let beside = path.with_file_name(format!(".weft-cni.{}", process::id()));
    let written = || {
        let mut file = File::create(&beside)?;
        file.write_all(content)?;
        file.set_permissions(former.map_or(fs::Permissions::from_mode(0o755), fs::Metadata::permissions))?;
        if let Some(former) = former {
            unix::fs::fchown(&file, Some(former.uid()), Some(former.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    written().inspect_err(|_| drop(fs::remove_file(&beside)))
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
        let kept = |name: &str, was_put| Ok(Kept { name: name.to_owned(), was_put });
        for _ in 0..2 {
            fs::write(&path, list).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(keep(&places), kept("10-net.conflist", true));
            assert_eq!(keep(&places), kept("10-net.conflist", false));
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert!(fs::read_to_string(&path).unwrap().contains("weft-cni"));
        }
        // A network that comes first from now on.
        fs::write(folder.path().join("05-other.conflist"), list).unwrap();
        assert_eq!(keep(&places), kept("05-other.conflist", true));
        assert_eq!(fs::read(folder.path().join("weft-cni")).unwrap(), fs::read("/proc/self/exe").unwrap());

        assert!(check_removed(&places).unwrap_err().contains("05-other"));
        remove(&places).unwrap();
        check_removed(&places).unwrap();
        for name in ["05-other.conflist", "10-net.conflist"] {
            assert!(!fs::read_to_string(folder.path().join(name)).unwrap().contains("weft-cni"));
        }
        // Pods that were made with it go by it.
        assert!(folder.path().join("weft-cni").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
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
