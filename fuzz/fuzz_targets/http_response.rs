#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::http1::fuzzing::http_response(data));
