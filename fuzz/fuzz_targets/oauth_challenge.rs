#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::oauth::client::fuzzing::challenge(data));
