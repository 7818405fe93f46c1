#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::filter::fuzzing::filter_query(data));
