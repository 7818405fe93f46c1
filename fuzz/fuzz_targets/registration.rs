#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::oauth::fuzzing::registration(data));
