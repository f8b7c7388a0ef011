#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lambent_fuzz::run("signatures", data));
