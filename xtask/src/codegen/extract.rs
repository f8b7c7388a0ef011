//! Takes the facts out of botocore's models: shapes, members, constraints, bindings, errors, paginators.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

/// Keys that are texts for people, or concern clients only.
const DROPPED: &[&str] = &[
    "documentation",
    "documentationUrl",
    "deprecatedMessage",
    "deprecatedSince",
    "endpoint",
    "auth",
    "authtype",
    "synthetic",
    "readonly",
    "idempotent",
    "box",
    "staticContextParams",
    "operationContextParams",
    "unsignedPayload",
    "requestcompression",
    "xmlOrder",
];

pub(super) fn fetch(root: &Path, version: &str, services: &[(&str, &str)]) -> anyhow::Result<()> {
    let dir = std::env::temp_dir().join(format!("lambent-codegen-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let result = extract(root, version, services, &dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

fn extract(root: &Path, version: &str, services: &[(&str, &str)], dir: &Path) -> anyhow::Result<()> {
    let status = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(dir)
        .arg(format!("botocore=={version}"))
        .status()
        .context("python3 with pip is needed to fetch the models")?;
    ensure!(status.success(), "pip could not download botocore {version}");
    let wheel = std::fs::read_dir(dir)?.next().context("pip downloaded nothing")??.path();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(wheel)?)?;
    for (service, api) in services {
        let base = format!("botocore/data/{service}/{api}");
        let mut model = strip(read(&mut archive, &format!("{base}/service-2.json"))?);
        let paginators = read(&mut archive, &format!("{base}/paginators-1.json"))?;
        model["source"] = json!(format!("botocore {version}"));
        model["pagination"] = strip(paginators["pagination"].clone());
        let path = root.join(format!("models/{service}.json"));
        std::fs::create_dir_all(root.join("models"))?;
        std::fs::write(&path, format!("{}\n", pretty(&model)))?;
        println!("{} written", path.display());
    }
    Ok(())
}

fn read(archive: &mut zip::ZipArchive<std::fs::File>, name: &str) -> anyhow::Result<Value> {
    let packed = archive.file_names().any(|found| found == format!("{name}.gz"));
    let path = if packed { PathBuf::from(format!("{name}.gz")) } else { PathBuf::from(name) };
    let mut bytes = Vec::new();
    archive.by_name(&path.to_string_lossy())?.read_to_end(&mut bytes)?;
    if packed {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
        bytes = text;
    }
    Ok(serde_json::from_slice(&bytes)?)
}

fn strip(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(key, value)| !DROPPED.contains(&key.as_str()) || is_shape_member(value))
                .map(|(key, value)| (key, strip(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(strip).collect()),
        other => other,
    }
}

/// A member or a shape that happens to be called like a dropped key.
fn is_shape_member(value: &Value) -> bool {
    value.get("shape").is_some() || value.get("type").is_some()
}

/// One line per operation, member and error, so that a new version's changes read as a diff.
fn pretty(model: &Value) -> String {
    let Value::Object(sections) = model else {
        return model.to_string();
    };
    let sections: Vec<String> = sections
        .iter()
        .map(|(name, section)| match section {
            Value::Object(entries) if matches!(name.as_str(), "operations" | "shapes" | "pagination") => {
                format!("{}: {{\n{}\n}}", json!(name), entries_pretty(entries))
            }
            other => format!("{}: {other}", json!(name)),
        })
        .collect();
    format!("{{\n{}\n}}", sections.join(",\n"))
}

fn entries_pretty(entries: &Map<String, Value>) -> String {
    let lines: Vec<String> =
        entries.iter().map(|(name, entry)| format!("  {}: {entry}", json!(name))).collect();
    lines.join(",\n")
}
