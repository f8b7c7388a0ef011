//! Tables in the README that come from the program itself: operations and options.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

const README: &str = "README.md";
/// Marker in the README, and the hidden command that prints what stands between its two ends.
const TABLES: [(&str, &str); 2] = [("coverage", "__coverage"), ("options", "__options")];

/// Writes the tables.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let text = updated(root)?;
    std::fs::write(root.join(README), text)?;
    println!("{README} written");
    Ok(())
}

/// Fails when a table is not what the program says.
pub fn check(root: &Path) -> anyhow::Result<()> {
    if updated(root)? != std::fs::read_to_string(root.join(README))? {
        bail!("{README} is not what `cargo xtask coverage` writes");
    }
    println!("{README}'s tables are the program's own");
    Ok(())
}

fn updated(root: &Path) -> anyhow::Result<String> {
    let mut text = std::fs::read_to_string(root.join(README))?;
    for (name, command) in TABLES {
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "lambent", "--", command])
            .current_dir(root)
            .output()?;
        ensure!(output.status.success(), "lambent {command} failed");
        let table = String::from_utf8(output.stdout)?;
        let begin = text
            .find(&format!("<!-- {name}:begin"))
            .with_context(|| format!("{README} has no {name}:begin"))?;
        let begin = begin + text[begin..].find('\n').context("a marker stands on a line of its own")? + 1;
        let end =
            text.find(&format!("<!-- {name}:end")).with_context(|| format!("{README} has no {name}:end"))?;
        text.replace_range(begin..end, &table);
    }
    Ok(text)
}
