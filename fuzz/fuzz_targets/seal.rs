#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::route::fuzzing::seal(data));
