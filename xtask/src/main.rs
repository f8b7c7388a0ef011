//! Development commands: `cargo xtask <command>`.
#![allow(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod arrows;
mod codegen;
mod coverage;
mod tidy;

use std::path::{Path, PathBuf};

const USAGE: &str = "usage: cargo xtask <command>

  codegen           writes crates/wire from models/ and models/patches/
  codegen --check   proves that crates/wire is what codegen writes
  codegen --fetch   extracts models/ anew from the pinned botocore, then writes crates/wire
  arrows            proves that crates depend on each other as layers.toml allows
  coverage          writes the README's tables of operations and options; --check proves them
  tidy              checks file and function sizes, names and stray texts";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["codegen"] => codegen::write(&root()),
        ["codegen", "--check"] => codegen::check(&root()),
        ["codegen", "--fetch"] => codegen::fetch(&root()).and_then(|()| codegen::write(&root())),
        ["arrows"] => arrows::check(&root()),
        ["coverage"] => coverage::write(&root()),
        ["coverage", "--check"] => coverage::check(&root()),
        ["tidy"] => tidy::check(&root()),
        _ => anyhow::bail!("{USAGE}"),
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
