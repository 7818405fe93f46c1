#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| onemcp::hub::fuzzing::hub(data));
