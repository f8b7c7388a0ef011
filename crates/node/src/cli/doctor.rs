//! `lambent doctor`.

use std::path::Path;

use lambent_ports::runtimes::RuntimeCatalog;
use lambent_runtimes::Catalog;
use lambent_sandbox_linux::{Verdict, host_report, parking_refused};

/// Prints the report. Fails when functions can't run here.
pub(super) fn run(runtimes: &Path) -> anyhow::Result<()> {
    println!("Host");
    let mut missing = 0;
    for check in host_report() {
        let mark = match check.verdict {
            Verdict::Good => "ok      ",
            Verdict::Degraded => "degraded",
            Verdict::Missing => "MISSING ",
        };
        missing += usize::from(check.verdict == Verdict::Missing);
        println!("  {mark}  {}: {}", check.name, check.detail);
        if let Some(remedy) = check.remedy {
            println!("            {remedy}");
        }
    }
    println!("\nRuntimes");
    let refused = parking_refused();
    for line in Catalog::open(runtimes, false, None).status() {
        match line.state {
            Ok(from) => {
                println!("  ok        {}: {from}", line.id);
                match line.parked.and_then(|which| refused.clone().map_or(Ok(which), Err)) {
                    Ok(which) => println!("            parked: {which}; others are executed"),
                    Err(reason) => println!("            not parked: {reason}"),
                }
            }
            Err(reason) => println!("  missing   {}: {reason}", line.id),
        }
        if let Some(note) = line.note.filter(|note| note.contains("instead")) {
            println!("            {note}");
        }
    }
    anyhow::ensure!(missing == 0, "functions can't run on this host; see MISSING above");
    Ok(())
}
