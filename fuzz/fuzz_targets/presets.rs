#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::config::presets::fuzzing::presets(data));
