#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::mcp::fuzzing::meta(data));
