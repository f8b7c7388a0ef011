//! API facts into code: `models/*.json` (extracted from botocore's models: facts, no documentation) and
//! `models/patches/*.toml` (what the models lack or have wrong) become `crates/wire`.

mod extract;
mod model;
mod names;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};

use model::Model;

/// The version whose models are the facts.
const BOTOCORE: &str = "1.44.5";

/// A service: its folder in botocore, its API version, its name here.
const SERVICES: &[(&str, &str)] = &[
    ("cloudwatch", "2010-08-01"),
    ("events", "2015-10-07"),
    ("iam", "2010-05-08"),
    ("lambda", "2015-03-31"),
    ("logs", "2014-03-28"),
    ("scheduler", "2021-06-30"),
    ("sns", "2010-03-31"),
    ("sqs", "2012-11-05"),
    ("sts", "2011-06-15"),
];

/// Path below the root, and content.
type Files = BTreeMap<String, String>;

/// Extracts `models/` from the pinned package.
pub fn fetch(root: &Path) -> anyhow::Result<()> {
    extract::fetch(root, BOTOCORE, SERVICES)
}

/// Writes the generated code.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let files = generate(root)?;
    let base = root.join("crates/wire/src");
    for (service, _) in SERVICES {
        let dir = base.join(service);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
    }
    for (path, text) in &files {
        let path = root.join(path);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    println!("{} files written", files.len());
    Ok(())
}

/// Fails when the committed code is not what the generator writes.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let files = generate(root)?;
    let mut wrong = Vec::new();
    for (path, text) in &files {
        if std::fs::read_to_string(root.join(path)).ok().as_deref() != Some(text) {
            wrong.push(path.clone());
        }
    }
    for (service, _) in SERVICES {
        let dir = format!("crates/wire/src/{service}");
        for found in list(root, &dir)? {
            if !files.contains_key(&found) {
                wrong.push(found);
            }
        }
    }
    if wrong.is_empty() {
        println!("{} generated files are as committed", files.len());
        return Ok(());
    }
    bail!("not what `cargo xtask codegen` writes: {}", wrong.join(", "))
}

fn list(root: &Path, dir: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(dir)).with_context(|| dir.to_owned())? {
        let entry = entry?;
        let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(list(root, &path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn generate(root: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for (service, _) in SERVICES {
        let model = Model::load(root, service)?;
        write::service(&model, service, &mut files)?;
    }
    Ok(files)
}
