//! A model with its patches applied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

pub(super) struct Model {
    value: Value,
    /// How many operations reach a structure, and one of them.
    reach: BTreeMap<String, BTreeSet<String>>,
}

impl Model {
    pub(super) fn load(root: &Path, service: &str) -> anyhow::Result<Self> {
        let path = root.join(format!("models/{service}.json"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{}: run `cargo xtask codegen --fetch`", path.display()))?;
        let mut value: Value = serde_json::from_str(&text)?;
        let patch = root.join(format!("models/patches/{service}.toml"));
        if patch.exists() {
            apply(&mut value, toml::from_str(&std::fs::read_to_string(patch)?)?)?;
        }
        let mut model = Model { value, reach: BTreeMap::new() };
        model.find_reach();
        Ok(model)
    }

    pub(super) fn metadata(&self, key: &str) -> &str {
        self.value["metadata"][key].as_str().unwrap_or_default()
    }

    /// Whether the service speaks a protocol, be it among others.
    pub(super) fn speaks(&self, protocol: &str) -> bool {
        let protocols = self.value["metadata"]["protocols"].as_array();
        self.metadata("protocol") == protocol
            || protocols.into_iter().flatten().any(|known| known.as_str() == Some(protocol))
    }

    pub(super) fn source(&self) -> &str {
        self.value["source"].as_str().unwrap_or_default()
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value["operations"].as_object().into_iter().flatten()
    }

    pub(super) fn shapes(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value["shapes"].as_object().into_iter().flatten()
    }

    pub(super) fn shape(&self, name: &str) -> &Value {
        &self.value["shapes"][name]
    }

    pub(super) fn kind(&self, name: &str) -> &str {
        self.shape(name)["type"].as_str().unwrap_or_default()
    }

    pub(super) fn members(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.shape(name)["members"].as_object().into_iter().flatten()
    }

    pub(super) fn is_error(&self, name: &str) -> bool {
        self.shape(name)["exception"].as_bool().unwrap_or(false)
    }

    /// The one operation that uses a structure; `None` when several do.
    pub(super) fn owner(&self, structure: &str) -> Option<&str> {
        let users = self.reach.get(structure)?;
        (users.len() == 1).then(|| users.first().map(String::as_str)).flatten()
    }

    pub(super) fn is_used(&self, shape: &str) -> bool {
        self.reach.contains_key(shape)
    }

    fn find_reach(&mut self) {
        let operations: Vec<(String, Vec<String>)> = self
            .operations()
            .map(|(name, operation)| {
                let ends = ["input", "output"].into_iter().filter_map(|end| operation[end]["shape"].as_str());
                (name.clone(), ends.map(str::to_owned).collect())
            })
            .collect();
        for (operation, mut open) in operations {
            let mut seen = BTreeSet::new();
            while let Some(shape) = open.pop() {
                if seen.insert(shape.clone()) {
                    open.extend(self.children(&shape));
                }
            }
            for shape in seen {
                self.reach.entry(shape).or_default().insert(operation.clone());
            }
        }
    }

    /// Every member of a structure and of those below it, with its shape.
    pub(super) fn members_below(&self, structure: &str) -> Vec<(String, String)> {
        let (mut open, mut seen, mut found) = (vec![structure.to_owned()], BTreeSet::new(), Vec::new());
        while let Some(shape) = open.pop() {
            if seen.insert(shape.clone()) {
                let members = self.members(&shape);
                found.extend(members.filter_map(|(name, member)| {
                    member["shape"].as_str().map(|shape| (name.clone(), shape.to_owned()))
                }));
                open.extend(self.children(&shape));
            }
        }
        found
    }

    fn children(&self, name: &str) -> Vec<String> {
        let shape = self.shape(name);
        let mut children: Vec<String> = self
            .members(name)
            .filter_map(|(_, member)| member["shape"].as_str().map(str::to_owned))
            .collect();
        for key in ["member", "key", "value"] {
            children.extend(shape[key]["shape"].as_str().map(str::to_owned));
        }
        children
    }
}

/// `remove` lists paths that go; every other table is laid over the model, key by key.
fn apply(model: &mut Value, patch: toml::Table) -> anyhow::Result<()> {
    for (key, value) in patch {
        if key == "remove" {
            for path in value.as_array().into_iter().flatten().filter_map(toml::Value::as_str) {
                remove(model, path)?;
            }
        } else {
            merge(&mut model[key], json!(value));
        }
    }
    Ok(())
}

fn remove(model: &mut Value, path: &str) -> anyhow::Result<()> {
    let mut at = model;
    let (parents, last) = path.rsplit_once('/').context("a path to remove needs a slash")?;
    for part in parents.split('/') {
        at = &mut at[part];
    }
    match at.as_object_mut().and_then(|members| members.remove(last)) {
        Some(_) => Ok(()),
        None => bail!("the patch removes {path}, which is not in the model"),
    }
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(members.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}
