//! The `lambent` binary.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Before there are threads: the launcher is this binary, too.
    lambent_node::launcher_main();
    std::process::exit(lambent_node::cli::main(std::env::args_os().collect()));
}
