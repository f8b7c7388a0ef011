use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::Host;

/// `nobody`, on most systems.
const NOBODY: u32 = 65_534;

/// Runs this test program again, as an ordinary user in a directory of its own.
pub async fn everything_holds_for_an_ordinary_user(_: Host) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir =
        tempfile::Builder::new().prefix("ordinary").permissions(PermissionsExt::from_mode(0o755)).tempdir();
    let dir = dir.unwrap();
    let program = dir.path().join("sandboxes");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let tmp = dir.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    std::os::unix::fs::chown(&tmp, Some(NOBODY), Some(NOBODY)).unwrap();
    let as_nobody =
        |command: &mut Command| command.uid(NOBODY).gid(NOBODY).env("TMPDIR", &tmp).current_dir("/").output();
    let allowed =
        as_nobody(Command::new("/usr/bin/unshare").args(["--user", "--map-root-user", "--mount", "true"]));
    match allowed {
        Ok(tried) if tried.status.success() => {}
        tried => return println!("    skipped: an ordinary user can't make namespaces here: {tried:?}"),
    }
    let output = as_nobody(&mut Command::new(&program)).unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("    as an ordinary user:\n    | {}", text.trim_end().replace('\n', "\n    | "));
    assert!(output.status.success());
}
