//! `layers.toml` against what cargo says: who depends on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Layers {
    /// Crate to the workspace crates that it may use.
    layers: BTreeMap<String, BTreeSet<String>>,
    /// More arrows, for tests only.
    #[serde(default)]
    tests: BTreeMap<String, BTreeSet<String>>,
    /// Packages from outside that a crate must not use.
    #[serde(default)]
    forbidden: BTreeMap<String, BTreeSet<String>>,
}

/// Fails with every arrow that is not allowed, and every allowance that nothing uses.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let layers: Layers = toml::from_str(&std::fs::read_to_string(root.join("layers.toml"))?)?;
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let errors = errors(&layers, &metadata);
    if errors.is_empty() {
        println!("{} crates keep to layers.toml", layers.layers.len());
        return Ok(());
    }
    bail!("layers.toml:\n  {}", errors.join("\n  "))
}

fn errors(layers: &Layers, metadata: &Value) -> Vec<String> {
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|package| Some((package["name"].as_str()?, package)))
        .collect();
    let mut errors = Vec::new();
    for name in layers.layers.keys().filter(|name| !packages.contains_key(name.as_str())) {
        errors.push(format!("{name} is listed and does not exist"));
    }
    for (name, package) in &packages {
        let Some(allowed) = layers.layers.get(*name) else {
            errors.push(format!("{name} is not listed"));
            continue;
        };
        let mut used = BTreeSet::new();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().unwrap_or_default();
            let test = dependency["kind"].as_str() == Some("dev");
            if !test && layers.forbidden.get(*name).is_some_and(|forbidden| forbidden.contains(target)) {
                errors.push(format!("{name} must not use {target}"));
            }
            if !packages.contains_key(target) {
                continue;
            }
            let in_tests = test && layers.tests.get(*name).is_some_and(|allowed| allowed.contains(target));
            if !allowed.contains(target) && !in_tests {
                errors.push(format!("{name} -> {target} is not allowed"));
            }
            if !test {
                used.insert(target);
            }
        }
        for unused in allowed.iter().filter(|allowed| !used.contains(allowed.as_str())) {
            errors.push(format!("{name} -> {unused} is allowed and not used"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(layers: &str, dependencies: Value) -> Vec<String> {
        let layers: Layers = toml::from_str(layers).unwrap();
        let metadata = json!({"packages": [
            {"name": "a", "dependencies": dependencies}, {"name": "b", "dependencies": []},
        ]});
        errors(&layers, &metadata)
    }

    #[test]
    fn arrows_have_to_be_listed_and_used() {
        let to_b = json!([{"name": "b", "kind": null}]);
        assert!(found("[layers]\na = ['b']\nb = []", to_b.clone()).is_empty());
        assert_eq!(found("[layers]\na = []\nb = []", to_b.clone()), ["a -> b is not allowed"]);
        assert_eq!(found("[layers]\na = ['b']\nb = []", json!([])), ["a -> b is allowed and not used"]);
        assert_eq!(found("[layers]\na = ['b']", to_b), ["b is not listed"]);
    }

    #[test]
    fn tests_may_have_arrows_of_their_own_and_some_packages_are_forbidden() {
        let dev = json!([{"name": "b", "kind": "dev"}]);
        assert!(found("[layers]\na = []\nb = []\n[tests]\na = ['b']", dev).is_empty());
        let http = json!([{"name": "http", "kind": null}]);
        assert_eq!(
            found("[layers]\na = []\nb = []\n[forbidden]\na = ['http']", http),
            ["a must not use http"]
        );
    }
}
