//! Time stamps in the form of RFC 3339, UTC, to the millisecond.
//!
//! **Invariant**: every stamp has one form, and only stamps have it; years beyond 9999 take more
//! digits.
//!
//! **Source**: Howard Hinnant, *chrono-compatible low-level date algorithms* (2013):
//! `civil_from_days` and `days_from_civil`.

use super::digits;
use paxos_chat::types::Timestamp;

const MS_PER_DAY: u64 = 86_400_000;
const DAYS_PER_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

/// The readable form of a stamp.
pub(super) fn format(stamp: Timestamp) -> String {
    let mut text = String::new();
    push(stamp, &mut text);
    text
}

/// Appends the readable form of a stamp.
pub(super) fn push(stamp: Timestamp, to: &mut String) {
    let (days, ms) = (stamp.0 / MS_PER_DAY, stamp.0 % MS_PER_DAY);
    let shifted = days + EPOCH_DAYS;
    let (era, day_of_era) = (shifted / DAYS_PER_ERA, shifted % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    let padded = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (hour, 2, ':'),
        (minute, 2, ':'),
        (second, 2, '.'),
        (milli, 3, 'Z'),
    ];
    for (number, digits, behind) in padded {
        digits::push_padded(number, digits, to);
        to.push(behind);
    }
}

/// The stamp of this form. Accepts more than `format` writes; the caller compares.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, milli) = time.split_once('.')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let from_march = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (from_march / 400, from_march % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era.checked_mul(DAYS_PER_ERA)?.checked_add(day_of_era)?.checked_sub(EPOCH_DAYS)?;
    let of_day = [(hour, 3_600_000), (minute, 60_000), (second, 1000)];
    let mut ms = days.checked_mul(MS_PER_DAY)?.checked_add(milli.parse().ok()?)?;
    for (amount, unit) in of_day {
        ms = ms.checked_add(amount.checked_mul(unit)?)?;
    }
    Some(Timestamp(ms))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn known_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_795_211_232_345, "2026-11-20T21:47:12.345Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(format(Timestamp(ms)), text);
            assert_eq!(parse(text), Some(Timestamp(ms)));
        }
    }

    quickcheck! {
        fn every_stamp_reads_back(ms: u64) -> bool {
            parse(&format(Timestamp(ms))) == Some(Timestamp(ms))
        }

        fn any_text_is_read_or_refused(text: String) -> bool {
            parse(&text);
            true
        }
    }
}
