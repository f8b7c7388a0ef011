//! Real sandboxes. The test binary is its own launcher, so it has a `main` of its own.
#![allow(missing_docs)]

fn main() {
    lambent_sandbox_linux::launcher_main();
    cases::run_all();
}

mod cases;
