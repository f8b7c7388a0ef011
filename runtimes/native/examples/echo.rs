//! Answers with its event. For `provided.al2023`, under the name `bootstrap` in a zip:
//!
//! ```sh
//! cargo rustc --release -p lambent-function --example echo -- -C target-feature=+crt-static
//! ```
//!
//! Statically linked it starts a millisecond earlier, and asks nothing of the system that it runs on.

fn main() {
    let error = lambent_function::run(|event, _| Ok(event.to_vec()));
    eprintln!("{error}");
    std::process::exit(1);
}
