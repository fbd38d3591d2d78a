//! Any text as a schedule: what is accepted comes, later than now, on a whole minute.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_core::arch::Cron;
use ropewalk_model::time::Time;

fuzz_target!(|input: (&str, u32)| {
    let (text, now) = input;
    let Ok(cron) = Cron::parse(text) else { return };
    let now = Time(i64::from(now) * 1_000_000);
    let next = cron.next(now);
    assert!(next > now && next < Time(i64::MAX) && next.0 % 60_000_000 == 0);
});
