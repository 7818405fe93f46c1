#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::client::fuzzing::session_id(data));
