//! Real sandboxes. The test binary is its own launcher, so it has a `main` of its own; and it is the server that some
//! tests kill.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

fn main() {
    lambent_sandbox_linux::launcher_main();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(cases::deaths::SERVER_ARGUMENT) => cases::deaths::be_server(&arguments[1]),
        Some(cases::egress::HOST_ARGUMENT) => cases::egress::be_host(&arguments[1]),
        _ => cases::run_all(&arguments),
    }
}

mod cases;
