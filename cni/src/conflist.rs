//! Puts the plugin into a network configuration list, and takes it out. Everything else in it stays as it is. Pure.

use std::path::Path;

use serde_json::{Value, json};

use crate::plugin::{ANNOTATIONS, VERSIONS};

/// The plugin's type, which is the name of its program.
pub const TYPE: &str = "weft-cni";

/// The list with the plugin as its last, or `None` if it is so already.
pub fn with_plugin(text: &str, socket: &Path) -> Result<Option<String>, String> {
    let list = parsed(text)?;
    if let Some(version) =
        list.get("cniVersion").and_then(Value::as_str).filter(|version| !VERSIONS.contains(version))
    {
        // The runtime would refuse the whole list, and with it every pod.
        return Err(format!("its cniVersion {version} is not supported by this version of weft-cni"));
    }
    let wanted = json!({ "type": TYPE, "socket": socket, "capabilities": { ANNOTATIONS: true } });
    edited(list, |plugins| {
        plugins.retain(|plugin| !is_ours(plugin));
        plugins.push(wanted);
    })
}

/// The list without the plugin, or `None` if it has none.
pub fn without_plugin(text: &str) -> Result<Option<String>, String> {
    edited(parsed(text)?, |plugins| plugins.retain(|plugin| !is_ours(plugin)))
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not valid JSON: {error}"))
}

fn edited(mut list: Value, edit: impl FnOnce(&mut Vec<Value>)) -> Result<Option<String>, String> {
    let plugins = list
        .get_mut("plugins")
        .and_then(Value::as_array_mut)
        .filter(|plugins| !plugins.is_empty())
        .ok_or("it has no list of plugins, so that none can be added; make it a .conflist")?;
    let before = plugins.clone();
    edit(plugins);
    if *plugins == before {
        return Ok(None);
    }
    Ok(Some(format!("{list:#}\n")))
}

fn is_ours(plugin: &Value) -> bool {
    plugin.get("type").and_then(Value::as_str) == Some(TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge","mtu":1400},{"type":"portmap"}],"more":[1]}"#;

    fn types(text: &str) -> Vec<String> {
        let list: Value = serde_json::from_str(text).unwrap();
        list["plugins"]
            .as_array()
            .unwrap()
            .iter()
            .map(|plugin| plugin["type"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_plugin_is_the_last_and_is_put_in_once() {
        let socket = Path::new("/run/weft-cni/agent.sock");
        let once = with_plugin(LIST, socket).unwrap().unwrap();
        assert_eq!(types(&once), ["bridge", "portmap", "weft-cni"]);
        assert_eq!(with_plugin(&once, socket), Ok(None));
        let list: Value = serde_json::from_str(&once).unwrap();
        assert_eq!((&list["more"], &list["plugins"][0]["mtu"]), (&json!([1]), &json!(1400)));
        // One that another version wrote, or that somebody put before others, is put right.
        let other = once.replace("agent.sock", "former.sock");
        assert_eq!(with_plugin(&other, socket).unwrap(), Some(once.clone()));
        let gone: Value = serde_json::from_str(&without_plugin(&once).unwrap().unwrap()).unwrap();
        assert_eq!(gone, serde_json::from_str::<Value>(LIST).unwrap());
        assert_eq!(without_plugin(LIST), Ok(None));
    }

    #[test]
    fn what_is_no_list_is_left_alone_and_named() {
        for (text, why) in [
            ("", "not valid JSON"),
            (r#"{"type":"bridge"}"#, "make it a .conflist"),
            (r#"{"plugins":[]}"#, "make it a .conflist"),
            (r#"{"cniVersion":"2.0.0","plugins":[{"type":"bridge"}]}"#, "cniVersion 2.0.0 is not supported"),
        ] {
            assert!(with_plugin(text, Path::new("/s")).unwrap_err().contains(why), "{text}");
        }
    }
}
