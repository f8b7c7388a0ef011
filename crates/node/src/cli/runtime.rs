//! `lambent runtime list` and `install`.

use std::path::Path;

use lambent_ports::runtimes::RuntimeCatalog;
use lambent_runtimes::Catalog;

pub(super) fn list(root: &Path) -> anyhow::Result<()> {
    for line in Catalog::open(root, false, None).status() {
        let (mark, text) = match &line.state {
            Ok(from) => ("ready  ", from),
            Err(reason) => ("missing", reason),
        };
        let note = line.note.map(|note| format!(" ({note})")).unwrap_or_default();
        println!("{:<16} {mark} {text}{note}", line.id.to_string());
    }
    Ok(())
}

pub(super) fn install(root: &Path, ids: &[String]) -> anyhow::Result<()> {
    lambent_runtimes::install(root, ids, &mut |line| println!("{line}"))?;
    Ok(())
}
